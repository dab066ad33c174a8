// One address fetched by a curl process. All that it is told goes through its configuration on standard input, so that neither a
// token nor an address appears in the list of processes; ~/.curlrc is not read. A token is for the host that was asked: curl
// drops the header when it is sent on to another. What comes is handed on piece by piece and never kept here.
#include "pull.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POLL_MS = 200, SAID_MOST = 4096, PIECE = 1 << 16 };

// What curl writes behind its own messages: the marker, then the status of the last answer.
#define MARKER "\n\x01status "

static void config_line(Bytes *out, const char *name, const char *value)
{
    bytes_text(out, name);
    bytes_text(out, " = \"");
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') bytes_put(out, "\\", 1);
        bytes_put(out, value, 1);
    }
    bytes_put(out, "\"\n", 2);
}

bool token_may_go(const char *url)
{
    static const char *const safe[] = { "https://", "http://127.0.0.1", "http://localhost", "http://[::1]" };
    for (size_t i = 0; i < COUNT(safe); i++) {
        const size_t n = strlen(safe[i]);
        if (!strncmp(url, safe[i], n) && (!i || !url[n] || url[n] == ':' || url[n] == '/')) return true;
    }
    return false;
}

static void config_put(Bytes *out, const Fetch *how)
{
    const char *scheme = !strncmp(how->url, "https:", 6) ? "=https" : "=http,https"; // TLS is never left for less
    char agent[64], from[32];
    snprintf(agent, sizeof agent, "dure/%s", dure_version());
    snprintf(from, sizeof from, "%lld", (long long)how->from);
    bytes_text(out, "silent\nshow-error\nfail\nlocation\ngloboff\npath-as-is\nno-buffer\n");
    config_line(out, "url", how->url);
    config_line(out, "proto", scheme);
    config_line(out, "proto-redir", scheme);
    config_line(out, "max-redirs", "10");
    config_line(out, "connect-timeout", "30");
    config_line(out, "speed-limit", "1"); // bytes a second, for so many seconds
    config_line(out, "speed-time", "60");
    config_line(out, "user-agent", agent);
    config_line(out, "output", "-");
    if (how->from) config_line(out, "continue-at", from);
    if (how->token && token_may_go(how->url)) {
        Bytes header = { 0 };
        bytes_text(&header, "Authorization: Bearer ");
        bytes_text(&header, how->token);
        config_line(out, "header", header.at);
        bytes_free(&header);
    }
    bytes_text(out, "write-out = \"%{stderr}\\n\x01status %{http_code}\"\n");
}

// "curl: (6) Could not resolve host: x", and behind the marker the status.
static void said_read(Fetched *out, Bytes *said)
{
    if (!said->at) return;
    char *marker = strstr(said->at, MARKER);
    if (marker) {
        out->status = (int)strtol(marker + strlen(MARKER), NULL, 10);
        *marker = 0;
    }
    const char *text = said->at, *behind = strstr(text, ") ");
    if (!strncmp(text, "curl: (", 7) && behind) text = behind + 2;
    snprintf(out->message, sizeof out->message, "%.*s", (int)strcspn(text, "\r\n"), text);
}

// Hands on what came; false: nothing more will, or it is to stop (out->end).
static bool stream_read(Fetched *out, const Fetch *how, int fd)
{
    char piece[PIECE];
    const ssize_t got = read(fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) return true;
    if (got <= 0) return false;
    if (how->take(how->user, piece, (size_t)got)) return true;
    out->end = FETCH_REFUSED;
    return false;
}

static bool said_add(Bytes *said, int fd)
{
    char piece[512];
    const ssize_t got = read(fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) return true;
    if (got <= 0) return false;
    if (said->n < SAID_MOST) bytes_put(said, piece, (size_t)got);
    return true;
}

static void streams_read(Fetched *out, const Fetch *how, Child *curl, Bytes *said)
{
    struct pollfd fds[2] = { { .fd = curl->out, .events = POLLIN }, { .fd = curl->err, .events = POLLIN } };
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (interrupted()) out->end = FETCH_STOPPED;
        if (out->end != FETCH_DONE) return;
        if (how->idle) how->idle(how->user);
        if (poll(fds, 2, POLL_MS) <= 0) continue;
        if (fds[0].revents && !stream_read(out, how, fds[0].fd)) fds[0].fd = -1;
        if (fds[1].revents && !said_add(said, fds[1].fd)) fds[1].fd = -1;
    }
}

void fetch(Fetched *out, const Fetch *how)
{
    Child curl;
    Bytes config = { 0 }, said = { 0 };
    *out = (Fetched){ .end = FETCH_DONE };
    const int fault = child_start(&curl, (const char *const[]){ "curl", "--disable", "--config", "-", NULL });
    if (fault) {
        out->end = fault == ENOENT ? FETCH_ABSENT : FETCH_FAILED;
        snprintf(out->message, sizeof out->message, tr("curl cannot be started: %s"), tr(strerror(fault)));
        return;
    }
    config_put(&config, how);
    child_write(curl.in, config.at, config.n); // if it fails, curl's own end says more
    close(curl.in);
    curl.in = -1;
    streams_read(out, how, &curl, &said);
    if (out->end == FETCH_DONE) {
        out->curl = child_end(&curl);
        said_read(out, &said);
        if (interrupted())
            out->end = FETCH_STOPPED;
        else if (out->curl)
            out->end = FETCH_FAILED;
    }
    child_stop(&curl);
    bytes_free(&config);
    bytes_free(&said);
    if (out->end == FETCH_FAILED && !*out->message)
        snprintf(out->message, sizeof out->message, tr("curl ended with %d"), out->curl);
}

bool fetch_transient(const Fetched *f)
{
    if (f->status == 408 || f->status == 429 || f->status >= 500) return true;
    // Host not found, no connection, HTTP/2 framing, cut, timed out, empty reply, sending, receiving, HTTP/2 and 3 streams.
    static const int curl[] = { 6, 7, 16, 18, 28, 52, 55, 56, 92, 95 };
    for (size_t i = 0; i < COUNT(curl); i++)
        if (f->curl == curl[i]) return true;
    return false;
}

int fetch_no_curl(void)
{
    return fail("pull needs the program curl, and it is not in PATH; on Debian: apt-get install curl ca-certificates");
}
