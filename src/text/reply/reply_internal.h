// reply_internal: the forms of reply, one file each, and the parser that they share. reply.c puts the forms in the order in which
// they are tried. parser.c finds marks and keeps the deltas; a machine (machine_*.c) knows what a mark means where; call_*.c
// read what stands between the marks of a call.
#ifndef DURE_REPLY_INTERNAL_H
#define DURE_REPLY_INTERNAL_H

#include "text/text.h"

extern const ReplyForm reply_solar, reply_turns, reply_omni, reply_tagged, reply_xml, reply_exaone, reply_hermes,
    reply_calls, reply_think, reply_plain;

// ---- Marks ---------------------------------------------------------------------------------------------------------

typedef enum MarkKind {
    MARK_NONE,
    MARK_END, // of the reply
    // tags
    MARK_THINK,
    MARK_THINK_END,
    MARK_CALL, // of this and the three that follow, what closes it is the next kind
    MARK_CALL_END,
    MARK_IMAGE,
    MARK_IMAGE_END,
    MARK_AUDIO,
    MARK_AUDIO_END,
    MARK_SPEECH,
    MARK_SPEECH_END,
    MARK_HEARD, // what the user said
    MARK_HEARD_END,
    MARK_SAID, // what is spoken
    MARK_SAID_END,
    MARK_KEY,
    MARK_KEY_END,
    MARK_VALUE,
    MARK_VALUE_END,
    // Solar Open
    MARK_BEGIN,
    MARK_PART_END,
    MARK_CONTENT,
    MARK_CALL_LIST,
    MARK_CALL_NAME,
    MARK_CALL_ARGUMENTS,
    MARK_CALLS_END, // ends the reply too
    // turns
    MARK_TURN,
    MARK_TURN_END,
} MarkKind;

typedef struct MarkRow {
    const char *text; // NULL ends the list
    MarkKind kind;
} MarkRow;

typedef struct Mark {
    Str text;
    MarkKind kind;
    int32_t id;     // -1: found in the text
    bool model_end; // the model's files name it as an end of replies
} Mark;

// ---- Parser --------------------------------------------------------------------------------------------------------

typedef struct ReplyMachine {
    void (*begin)(Parser *p, ParserStart start);
    void (*text)(Parser *p, Str text); // not empty, whole characters
    void (*mark)(Parser *p, const Mark *mark);
    void (*end)(Parser *p);          // nothing follows
    bool (*thinks)(const Parser *p); // what is read now is reasoning
} ReplyMachine;

extern const ReplyMachine machine_tags, machine_solar, machine_turns;

typedef struct QueuedDelta {
    DeltaKind kind;
    size_t call, at, n, id_n; // text [at, at + n) of Parser.texts, the id behind it
} QueuedDelta;

// A mark inside a call's text.
typedef struct CallMark {
    MarkKind kind;
    size_t begin, end; // bytes of Parser.call
} CallMark;

struct Parser {
    const ReplyForm *form;
    const Tokenizer *tokenizer; // or NULL
    const json_t *tools;        // or NULL
    bool by_text, drop_special;
    Mark *marks; // [mark_count]
    size_t mark_count;
    bool begins[256]; // bytes with which marks begin that are found in the text
    Detokenizer detokenizer;
    Buf raw;  // by text: an unfinished character
    Buf held; // text that may yet turn out to begin a mark

    QueuedDelta *queue; // [queue_n], the first queue_given of them given out
    size_t queue_n, queue_given, queue_capacity;
    Buf texts;
    bool failed; // no memory

    const char *const *stops; // NULL: none
    Buf stop_held;            // content that may yet turn out to begin a stop string
    bool cut;                 // one was found: nothing more is given out

    bool over, stopped;
    size_t calls;      // complete ones
    size_t call_index; // calls that had begun

    // The machine's
    int state;
    bool lead;       // what was read of this part so far does not count
    bool answered;   // the content has text
    size_t newlines; // held back: they may belong to the form
    bool turn_ended; // and it was no thought
    bool verbatim;   // special tokens are kept whatever the caller wants: they are a call's
    bool reasoned;   // the reasoning has text
    bool said;       // inside of what is spoken
    MarkKind opened; // what began the call
    Buf word;        // the beginning of a part's header
    Buf call;        // the text of the call being read, with its marks
    size_t call_inner;
    CallMark *call_marks;
    size_t call_mark_n, call_mark_capacity;
};

void parser_finish_reply(Parser *p); // an end token was read
void parser_text(Parser *p, DeltaKind kind, Str text);
void parser_call(Parser *p, Str name, Str id);
void parser_call_end(Parser *p);
void parser_partial(Parser *p, Str text);
void parser_whole_call(Parser *p, Str name, Str arguments);
void parser_call_text(Parser *p, Str text); // to Parser.call
void parser_call_mark(Parser *p, const Mark *mark);
void parser_call_clear(Parser *p);

// Text whose newlines at the ends may belong to the form (parser.c): dropped at the beginning while `lead`, held back at the end.
void parser_reasoning(Parser *p, Str text);
void parser_content(Parser *p, Str text);
void parser_content_end(Parser *p, bool keep_newlines);
void parser_stray(Parser *p, Str text); // text inside of a call that is no part of it: content on a line of its own

typedef enum WordFit { WORD_NONE, WORD_UNDECIDED, WORD_WHOLE } WordFit;
// Which of the words (NULL-terminated; none begins another) the text begins with.
WordFit word_fit(Str text, const char *const *words, size_t *which);

// ---- Calls ---------------------------------------------------------------------------------------------------------

bool call_json(Parser *p, Str text);                // {"name", "arguments"}; gives the call out. False: it is none
bool call_json_list(Parser *p, Str text);           // a list of such, all of them or none
bool call_tagged(Parser *p);                        // what Parser.call holds
bool call_xml(Parser *p, Str text, bool closed);    // <function=NAME> <parameter=KEY>VALUE</parameter> ...
bool call_image(Parser *p);                         // the discrete image that Parser.call holds
bool call_audio(Parser *p, Str text);               // units of speech
bool call_speech(Parser *p, Str text, bool closed); // what stands in <audio_decoder_call>

// Arguments being read: an object of JSON texts by key; of equal keys the last one counts. False: no memory.
bool arguments_put(json_t *arguments, Str key, const Buf *json);
void arguments_give(Parser *p, Str name, json_t *arguments); // the whole call
void value_json(Buf *out, Str value,
                bool is_string); // text if it is a string, else JSON, else a Python literal, else text
// Of the arguments that a tool declares, the schema of one; NULL: no such function or argument.
const json_t *argument_schema(const json_t *tools, Str name, Str key);

bool blank_at(Str text, size_t at, size_t *after); // white space as Python's str.strip has it
Str strip_blanks(Str text);
bool json_whole(Str text);            // one JSON value (RFC 8259) and blanks
void json_quoted(Buf *out, Str text); // text is UTF-8
// Python's literals, as JSON: numbers, strings, None, True, False, lists, tuples, dictionaries. False: something else.
bool literal_json(Buf *out, Str text);

#endif
