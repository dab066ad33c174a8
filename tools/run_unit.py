"""Runs the unit tests of a build and counts every test function.

    run_unit.py BUILD [REGEX]

Every executable that CTest knows (and whose name REGEX matches) runs once, several at a time, and speaks TAP. One that
crashes, hangs, runs fewer tests than it planned or ends badly counts as one more failure. Prints what failed, and at
the end 'unit: N passed, N failed, N skipped'. Ends with 1 if anything failed or nothing ran.
"""
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

TIMEOUT_S = 600


def executables(build, pattern):
    listing = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], stdout=subprocess.PIPE, check=True)
    for test in json.loads(listing.stdout)["tests"]:
        if not re.search(pattern, test["name"]):
            continue
        environment = {}
        for item in test.get("properties", []):
            if item["name"] == "ENVIRONMENT":
                environment.update(pair.split("=", 1) for pair in item["value"])
        yield test["name"], test["command"], environment


def count(text):
    """The results in TAP output; cmocka restarts the numbers at each group."""
    passed = failed = skipped = planned = 0
    for line in text.splitlines():
        if plan := re.match(r"1\.\.(\d+)$", line):
            planned += int(plan[1])
        elif re.match(r"(not )?ok \d+ *-?.*# *SKIP", line, re.IGNORECASE):
            skipped += 1
        elif re.match(r"ok \d+", line):
            passed += 1
        elif re.match(r"not ok \d+", line):
            failed += 1
    return passed, failed, skipped, planned


def run(test):
    name, command, environment = test
    environment = os.environ | {"LC_ALL": "C.UTF-8"} | environment | {"CMOCKA_MESSAGE_OUTPUT": "TAP"}
    began = time.monotonic()
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIMEOUT_S)
        text, fate = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        text, fate = (late.stdout or b"").decode(errors="replace"), f"none: it ran for more than {TIMEOUT_S} s"
    except OSError as fault:
        text, fate = str(fault), "none: it could not be started"
    passed, failed, skipped, planned = count(text)
    complete = planned > 0 and passed + failed + skipped == planned
    if not complete or (fate != 0 and not failed):
        failed += 1
        text += f"\n{name}: {passed + skipped} of {planned} tests were done; exit status {fate}\n"
    return name, passed, failed, skipped, time.monotonic() - began, text


def main():
    build, pattern = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    totals = [0, 0, 0]
    tests = list(executables(build, pattern))
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        for name, passed, failed, skipped, seconds, text in threads.map(run, tests):
            totals = [a + b for a, b in zip(totals, (passed, failed, skipped))]
            print(f"{'FAILED' if failed else 'ok':8} {name}: {passed} ({seconds:.1f} s)", flush=True)
            if failed:
                print("\n".join("         " + line for line in text.splitlines()[-200:]), flush=True)
    print("unit: {} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
