"""A second parser of replies, written from the rules of tests/golden/text/README.md and in another way than the program's: on
the whole text, by splitting it at marks. Whatever the program says of a reply must be what this says."""
import ast
import json
import re

TURNS = re.compile(r"(<\|im_start\|>|<\|im_end\|>)")
ENDS = {"hermes": ["<|im_end|>", "<|END|>", "<|endoftext|>"], "calls": ["<|im_end|>", "<|END|>", "<|endoftext|>"],
        "think": ["<|im_end|>", "<|END|>", "<|endoftext|>"], "exaone": ["<|endofturn|>", "[|endofturn|]"],
        "xml": ["<|endofturn|>", "<|im_end|>"], "tagged": ["<|im_end|>", "<|endofturn|>", "<|stop|>"],
        "omni": ["<|im_end|>", "<|endofturn|>", "<|stop|>"], "turns": ["<|endofturn|>", "<|stop|>"],
        "solar": ["<|flush|>", "<|calls|>", "<|endoftext|>"],
        "plain": ["<|im_end|>", "<|endofturn|>", "<|stop|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "</s>"]}
CONTENT, CALL, PARTIAL = range(3)


class Number:
    """A number as it is written; equal to those of its value."""

    def __init__(self, text):
        self.text = str(text)

    def __eq__(self, other):
        return isinstance(other, Number) and float(self.text) == float(other.text)

    def __repr__(self):
        return self.text


def no_constant(text):
    raise ValueError(text)


def read_json(text):
    return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=no_constant)


def plain_value(value):
    """Of a Python literal, what JSON can say; ValueError for the rest."""
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value]
    if isinstance(value, dict):
        if any(isinstance(key, (tuple, bytes)) for key in value):
            raise ValueError
        return {key if isinstance(key, str) else json.dumps(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return Number(repr(value))
    raise ValueError


def guess(text):
    """JSON, else a Python literal, else text."""
    try:
        return read_json(text)
    except (ValueError, RecursionError):
        pass
    try:
        return plain_value(ast.literal_eval(text.strip()))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def schema(tools, name, key):
    for tool in tools or []:
        function = tool.get("function", tool)
        if function.get("name") == name:
            return function.get("parameters", {}).get("properties", {}).get(key)
    return None


# ---- Calls ----------------------------------------------------------------------------------------------------------

def calls_of_json(inner, tools, closed):
    value = read_json(inner)
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ValueError
    return [(CALL, value["name"], value.get("arguments", {}))]


def calls_of_pairs(inner, tools, closed, text_only=False):
    if not closed:
        raise ValueError
    inner = inner.lstrip("\n")
    head = re.split(r"\n|<arg_key>", inner, maxsplit=1)
    name = head[0].strip()
    if len(head) < 2 or not name:
        raise ValueError
    arguments, body, at, events = {}, inner[len(head[0]):], 0, []
    pattern = r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)(?:</arg_value>|$)"
    if text_only:
        pattern = r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)(?:</arg_value>|(?=<arg_key>)|$)"
    for found in re.finditer(pattern, body, re.S):
        key, value = found[1].strip(), found[2].strip()
        is_text = text_only or (schema(tools, name, key) or {}).get("type") == "string"
        arguments[key] = value if is_text else guess(value)
        events.append(("stray", body[at:found.start()].strip()))
        at = found.end()
    events.append(("stray", body[at:].strip()))
    return [event for event in events if event[1]] + [(CALL, name, arguments)]


def typed(value, how):
    if value.strip().lower() == "null":
        return None
    kind = (how or {}).get("type", "string")
    if kind == "integer":
        return Number(int(value)) if re.fullmatch(r"[+-]?[0-9]+", value.strip()) else value
    if kind == "number":
        got = guess(value.strip())
        return got if isinstance(got, Number) else value
    if kind == "boolean":
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    return value if kind == "string" else guess(value)


def calls_of_xml(inner, tools, closed):
    events, rest = [], inner
    while "<function=" in rest:
        before, rest = rest.split("<function=", 1)
        head = re.match(r"([^<>\n\0]*)>", rest)
        if not head or not head[1].strip():
            raise ValueError
        body, end, rest = rest[head.end():].partition("</function>")
        if not end and not closed:
            raise ValueError
        name, arguments, stray = head[1].strip(), {}, [before]
        parts = body.split("<parameter=")
        stray.append(parts[0])
        for part in parts[1:]:
            key = re.match(r"([^<>\n\0]*)>", part)
            if not key or not key[1].strip():
                stray.append("<parameter=" + part)
                continue
            value, _, after = part[key.end():].partition("</parameter>")
            value = value[1:] if value.startswith("\n") else value
            value = value[:-1] if value.endswith("\n") else value
            arguments[key[1].strip()] = typed(value, schema(tools, name, key[1].strip()))
            stray.append(after)
        events += [("stray", text.strip()) for text in stray if text.strip()] + [(CALL, name, arguments)]
    if not events:
        raise ValueError
    return events + ([("stray", rest.strip())] if rest.strip() else [])


# ---- Forms between tags ----------------------------------------------------------------------------------------------

class Content:
    """Content joined around calls: newlines beside them belong to the form."""

    def __init__(self):
        self.parts, self.open, self.events = [], "", []

    def text(self, text):
        self.open += text

    def seam(self):
        text = self.open.lstrip("\n") if self.parts or self.seamed else self.open
        self.close(text.rstrip("\n"))
        self.seamed = True

    seamed = False

    def close(self, text):
        if text:
            self.parts.append(text)
        self.open = ""

    def end(self):
        self.close(self.open.lstrip("\n") if self.seamed else self.open)
        return "\n".join(self.parts)


def between_tags(form, start, text, tools):
    has_think = form in ("hermes", "exaone", "xml", "tagged", "omni", "think")
    reasoning, said = None, None
    if has_think and start == 0:
        if text.lstrip("\n").startswith("<think>"):
            reasoning, text = "", text.lstrip("\n")[len("<think>"):]
        elif text.startswith("</think>"):
            text = text[len("</think>"):]
    elif has_think and start == 1:
        reasoning = ""
        if text.lstrip("\n").startswith("<think>"):
            text = text.lstrip("\n")[len("<think>"):]
    if reasoning is not None:
        head, mark, text = text.partition("</think>")
        reasoning = head.strip("\n")
        if not mark:
            return reasoning, "", [], None
    if form in ("exaone", "xml"):
        text = text.lstrip()
    elif form != "plain":
        text = text.lstrip("\n")
    if form in ("plain", "think"):
        return reasoning, text, [], None
    return walk(form, text, tools, reasoning)


READERS = {"hermes": calls_of_json, "calls": calls_of_json, "exaone": calls_of_json, "tagged": calls_of_pairs,
           "xml": calls_of_xml, "omni": lambda *given: calls_of_pairs(*given, text_only=True)}


def media_of(opening, inner, closed):
    if opening == "<|discrete_image_start|>" and closed:
        return [(CALL, "t2i_model_generation", {"discrete_image_token": opening + inner + "<|discrete_image_end|>"})]
    if opening == "<|discrete_audio_start|>" and closed and re.fullmatch(r"\s*(<\|audio[0-9]+\|>\s*)*", inner):
        units = [Number(int(unit)) for unit in re.findall(r"audio([0-9]+)", inner)]
        return [(CALL, "audio_synthesis", {"units": units, "format": "wav", "token_count": Number(len(units))})]
    if opening == "<audio_decoder_call>":
        speaker, text = "{}", inner.strip()
        head = re.match(r"<speaker_info>(.*?)</speaker_info>", text, re.S)
        if head:
            speaker, text = head[1].strip(), text[head.end():].strip()
        body = re.fullmatch(r"<discrete_audio>((?:(?!</discrete_audio>).)*)</discrete_audio>\s*", text, re.S)
        if not body and not closed:
            body = re.fullmatch(r"<discrete_audio>((?:(?!</discrete_audio>).)*<\|discrete_audio_end\|>)", text, re.S)
        if body:
            try:
                speaker = read_json(speaker)
            except ValueError:
                speaker = {"raw": speaker}
            return [(CALL, "audio_synthesis", {"speaker_info": speaker, "discrete_audio": body[1].strip()})]
    raise ValueError


CLOSES = {"<tool_call>": "</tool_call>", "<|discrete_image_start|>": "<|discrete_image_end|>",
          "<|discrete_audio_start|>": "<|discrete_audio_end|>", "<audio_decoder_call>": "</audio_decoder_call>"}
OPENS = re.compile("(<tool_call>)")
OMNI_OPENS = re.compile("(" + "|".join(re.escape(mark) for mark in [*CLOSES, "<user_transcript>", "<assistant_transcript>",
                                                                    "</assistant_transcript>"]) + ")")


def walk(form, text, tools, reasoning):
    content, calls, said = Content(), [], False
    while True:
        found = (OMNI_OPENS if form == "omni" else OPENS).search(text)
        if not found:
            content.text(text)
            return reasoning, content.end(), calls, None
        content.text(text[:found.start()])
        mark, text = found[1], text[found.end():]
        if "transcript" in mark:
            if mark == "<user_transcript>":
                content.seam()
                head, end, text = text.partition("</user_transcript>")
                heard = mark + (head + end if end else head.rstrip("\n"))
                reasoning = f"{reasoning}\n{heard}" if reasoning else heard
            elif (mark == "</assistant_transcript>") == said:
                said = not said
                content.seam()
            else:
                content.text(mark)
            continue
        inner, close, after = text.partition(CLOSES[mark])
        try:
            given = READERS[form](inner, tools, close) if mark == "<tool_call>" else media_of(mark, inner, close)
        except (ValueError, RecursionError):
            if not close:
                content.seam()
                return reasoning, content.end(), calls, mark + inner
            content.text(mark + inner + close)
        else:
            content.seam()
            for event in given:
                if event[0] == CALL:
                    calls.append({"name": event[1], "arguments": event[2]})
                else:
                    content.text(event[1])
                    content.seam()
        text = after


# ---- Turns and Solar Open ---------------------------------------------------------------------------------------------

def in_turns(start, text):
    """Up to three turns; what follows the role says what a turn is."""
    words = {"/think\n": "thought", "\n": "answer", " -> tool/function_call\n": "calls"}
    reasoning, content, calls, partial = None, [], [], None
    pieces = TURNS.split(text)
    kind = ["start", "thought", "answer"][start]
    closed, i, ended = False, 0, False
    turn = ""

    def finish(kind, turn, closed):
        nonlocal reasoning, partial
        if kind == "start" or kind == "header":
            for word, means in words.items():
                whole = word if kind == "start" else "assistant" + word
                if turn.startswith(whole):
                    return finish(means, turn[len(whole):], closed)
            return finish("answer", turn, closed) if turn else kind
        if kind == "thought":
            new = turn.strip("\n") if reasoning is None else turn.lstrip("\n").rstrip("\n")
            reasoning = (reasoning or "") + new
        elif kind == "answer":
            if turn.lstrip("\n"):
                content.append(turn.lstrip("\n"))
        elif kind == "calls":
            try:
                value = read_json(turn)
                if not isinstance(value, list) or not value:
                    raise ValueError
                if any(not isinstance(one, dict) or not isinstance(one.get("name"), str) for one in value):
                    raise ValueError
                calls.extend({"name": one["name"], "arguments": one.get("arguments", one.get("parameters", {}))}
                             for one in value)
            except ValueError:
                if not closed:
                    partial = turn or None
                elif turn.lstrip("\n"):
                    content.append(turn.lstrip("\n"))
        return kind

    for piece in pieces:
        decided = kind
        if kind in ("start", "header"):
            decided = next((means for word, means in words.items()
                            if turn.startswith(word if kind == "start" else "assistant" + word)), None)
        if piece == "<|im_end|>":
            done = finish(kind, turn, True)
            ended = done in ("answer", "calls")
            kind, turn = "between", ""
        elif piece == "<|im_start|>" and (kind == "between" or (kind == "start" and not turn)):
            kind, turn = "header", ""
        elif piece == "<|im_start|>" and kind in ("start", "header") and decided is None and not turn:
            turn += piece
            kind = "answer"
        elif kind == "between":
            if piece.lstrip("\n"):
                kind, turn = "answer", piece.lstrip("\n")
        else:
            turn += piece
    if kind == "between":
        return reasoning, "\n".join(content), calls, partial, ended
    finish(kind, turn, False)
    return reasoning, "\n".join(content), calls, partial, False


SOLAR = ["<|think|>", "<|end|>", "<|begin|>", "<|content|>", "<|tool_calls|>", "<|tool_call:begin|>", "<|tool_call:name|>",
         "<|tool_call:args|>", "<|tool_call:end|>"]
SOLAR_SPLIT = re.compile("(" + "|".join(re.escape(mark) for mark in SOLAR) + ")")


def in_solar(start, text, ended):
    state = ["before", "think", "content"][start]
    reasoning, content, calls, partial = ("" if start == 1 else None), "", [], []
    fields, raw = [], ""

    def leave():
        nonlocal fields, raw, state
        if state == "call":
            partial.append(raw)
            fields, raw, state = [], "", "gap"

    def header_done(text):
        return text[len("assistant"):] if text.startswith("assistant") else text

    pieces = [piece for piece in SOLAR_SPLIT.split(text) if piece]
    for i, piece in enumerate(pieces):
        if piece in ("<|content|>", "<|tool_calls|>", "<|begin|>"):
            leave()
            state = {"<|content|>": "content", "<|tool_calls|>": "gap", "<|begin|>": "header"}[piece]
        elif piece == "<|tool_call:begin|>":
            leave()
            state, fields, raw = "call", [["id", ""]], piece
        elif state == "call":
            raw += piece
            kinds = [kind for kind, _ in fields]
            if piece == "<|tool_call:end|>":
                if kinds == ["id", "name", "args"]:
                    calls.append({"id": fields[0][1], "name": fields[1][1], "arguments": fields[2][1]})
                    fields, raw, state = [], "", "gap"
                else:
                    leave()
            elif piece == "<|tool_call:name|>" and kinds == ["id"]:
                fields.append(["name", ""])
            elif piece == "<|tool_call:args|>" and kinds == ["id", "name"]:
                fields.append(["args", ""])
            else:
                fields[-1][1] += piece
        elif piece in SOLAR:
            if piece == "<|think|>" and state == "before":
                state, reasoning = "think", ""
            elif state == "header" or (piece == "<|end|>" and state == "think"):
                state = "gap"
        elif state == "think":
            reasoning += piece
        elif state == "header" and piece:
            if ended or i + 1 < len(pieces) or not "assistant".startswith(piece):
                content += header_done(piece)
            state = "gap"
        else:
            content += piece
    leave()
    return reasoning, content, calls, "".join(partial) if partial else None


def expected(form, start, text, tools):
    """What the program must say: reasoning, content, calls, partial, finish."""
    found = re.search("|".join(re.escape(mark) for mark in ENDS[form]), text)
    ended = bool(found)
    if found:
        text = text[:found.start()]
    if form == "solar":
        reasoning, content, calls, partial = in_solar(start, text, ended)
    elif form == "turns":
        reasoning, content, calls, partial, closed = in_turns(start, text)
        ended = ended or closed
    else:
        reasoning, content, calls, partial = between_tags(form, start, text, tools)
    finish = ("tool_calls" if calls else "stop") if ended else "length"
    return {"reasoning": reasoning, "content": content, "calls": calls, "partial": partial, "finish": finish}
