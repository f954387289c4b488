#!/usr/bin/env python3
"""Writes docs/configuration.md from the comments and options of config.proto, and docs/codes.md from those of
codes.proto. With --check it only compares, holds README.md to the envelope and the JSON that the unit tests hold the code to
(tests/golden/envelopes/readme), and looks whether each word of codes.proto is said somewhere in the gateway."""

import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "configuration.md"
CODES = ROOT / "docs" / "codes.md"

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: E402

HEAD = """# Configuration

Generated from `proto/carillon/v1/config.proto` by `tools/gen_docs.py`. The file is YAML (JSON is YAML too); each setting
is also an environment variable, and a flag unless it is a secret or a list of groups. Flag beats environment beats file
beats default. Durations are written `500ms`, `54s`, `2m` or `1h`; sizes `512`, `64KiB` or `1MiB`. A list of words may be written `a,b`
in a variable; a list of groups as YAML or JSON. A secret may also come from a file that the variable with `_FILE`
behind its name points to. `carillon check-config -c FILE` says everything that is wrong, with its place.

Settings that say *Reloads* change while the gateway runs: send it SIGHUP, and it loads the file, the variables' files and
the files of keys again, all or nothing, and logs what has changed. The others need a restart.
"""


CODES_HEAD = """# Codes and reasons

Generated from `proto/carillon/v1/codes.proto` by `tools/gen_docs.py`: everything that clients, backends and operators are told, and what it
means. Messages beside a code are for people and may change; codes do not.
"""


def load(name="config"):
    """A schema with its comments, as protoc tells it."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "set"
        subprocess.run(["protoc", "-I", str(ROOT / "proto"), "--include_imports", "--include_source_info",
                        f"--descriptor_set_out={out}", f"carillon/v1/{name}.proto"], check=True)
        raw = out.read_bytes()
    files = descriptor_pb2.FileDescriptorSet.FromString(raw)
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    config = next(file for file in files.file if file.name == f"carillon/v1/{name}.proto")
    if name != "config":
        return config, None
    # Parsed again with our own option known, so that it can be read.
    options = message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName("google.protobuf.FieldOptions"))
    setting = pool.FindExtensionByName("carillon.v1.setting")
    return config, lambda field: options.FromString(field.options.SerializeToString()).Extensions[setting]


def comments(config):
    """Path in the descriptor to comment."""
    return {tuple(location.path): " ".join(location.leading_comments.split())
            for location in config.source_code_info.location if location.leading_comments}


def enum_words(config, name):
    enum = next(enum for enum in config.enum_type if enum.name == name)
    prefix = "".join("_" + c if c.isupper() else c.upper() for c in enum.name).lstrip("_") + "_"
    return [value.name[len(prefix):].lower() for value in enum.value[1:]]


def type_of(config, field):
    kind = descriptor_pb2.FieldDescriptorProto
    short = field.type_name.split(".")[-1]
    if field.type == kind.TYPE_ENUM:
        word = " or ".join(f"`{word}`" for word in enum_words(config, short))
    elif short == "Duration":
        word = "duration"
    elif field.type == kind.TYPE_BOOL:
        word = "`true` or `false`"
    elif field.type == kind.TYPE_STRING:
        word = "text"
    elif field.type == kind.TYPE_MESSAGE:
        word = "group"
    else:
        word = "size" if field.name.endswith("_bytes") else "number"
    return f"list of: {word}" if field.label == kind.LABEL_REPEATED else word


def bounds(setting):
    words = []
    if setting.min:
        words.append(f"at least {setting.min}")
    if setting.max:
        words.append(f"at most {setting.max}")
    return f" ({', '.join(words)})" if words else ""


def short_name(field):
    return field.type_name.split(".")[-1]


def is_group(field):
    return field.type == descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE and short_name(field) != "Duration"


def render():
    config, setting_of = load()
    notes = comments(config)
    messages = {message.name: index for index, message in enumerate(config.message_type)}
    lines = [HEAD]

    def section(title, name, prefix, in_list, reloads):
        index = messages[name]
        message = config.message_type[index]
        lines.extend([f"## {title}", "", notes.get((4, index), ""), "", "| Setting | Type | Default | Meaning |", "|---|---|---|---|"])
        rows(index, message.field, prefix, in_list, reloads)
        lines.append("")
        for field in filter(is_group, message.field):
            repeated = field.label == descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
            path = prefix + field.name + ("[]" if repeated else "")
            section(path, short_name(field), f"{path}.", in_list or repeated, reloads or setting_of(field).reloads)

    def rows(index, fields, prefix, in_list, reloads):
        numbers = {field.name: number for number, field in enumerate(config.message_type[index].field)}
        for field in fields:
            path = prefix + field.name
            setting = setting_of(field)
            default = f"`{setting.default}`" if setting.default else ""
            if not default and field.type == descriptor_pb2.FieldDescriptorProto.TYPE_BOOL:
                default = "`false`"
            meaning = notes.get((4, index, 2, numbers[field.name]), "") + bounds(setting)
            if (reloads or setting.reloads) and not in_list:
                meaning += " Reloads."
            if setting.secret and not in_list:
                meaning += f" Secret: `CARILLON_{path.replace('.', '_').upper()}` or `…_FILE`."
            lines.append(f"| `{path}` | {type_of(config, field)} | {default} | {meaning} |".replace("  ", " "))

    root = config.message_type[messages["Config"]]
    lines.extend(["## Of everything", "", "| Setting | Type | Default | Meaning |", "|---|---|---|---|"])
    rows(messages["Config"], [field for field in root.field if not is_group(field)], "", False, False)
    lines.append("")
    for field in filter(is_group, root.field):
        repeated = field.label == descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        path = field.name + "[]" if repeated else field.name
        section(path, short_name(field), f"{path}.", repeated, setting_of(field).reloads)
    return "\n".join(lines).rstrip() + "\n"


TITLES = {
    "CloseCode": "Close codes",
    "HandshakeReason": "Refused requests",
    "ClientErrorCode": "Errors of clients' messages",
    "ErrorReason": "Errors of the control plane",
}


def words(enum, path, notes):
    """Number, word and meaning of each value but the first, which is never sent."""
    prefix = "".join("_" + c if c.isupper() else c.upper() for c in enum.name).lstrip("_") + "_"
    for index, value in list(enumerate(enum.value))[1:]:
        word = value.name[len(prefix):]
        yield value.number, word if enum.name == "ErrorReason" else word.lower(), notes[(*path, 2, index)]


def render_codes():
    file, _ = load("codes")
    notes = comments(file)
    lines = [CODES_HEAD]
    for index, enum in enumerate(file.enum_type):
        path = (5, index)
        lines += [f"## {TITLES[enum.name]}", "", notes[path], ""]
        numbered = enum.name == "CloseCode"
        lines += ["| Code | Name | When |", "|---|---|---|"] if numbered else ["| Word | When |", "|---|---|"]
        for number, word, meaning in words(enum, path, notes):
            lines.append(f"| {number} | `{word}` | {meaning} |" if numbered else f"| `{word}` | {meaning} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def unsaid():
    """Words of codes.proto that stand nowhere in the gateway's code."""
    file, _ = load("codes")
    notes = comments(file)
    text = "".join(path.read_text(encoding="utf-8") for room in ("gateway", "control") for path in (ROOT / room).rglob("*.cc"))
    return [f"{enum.name}: {word}" for index, enum in enumerate(file.enum_type)
            for _, word, _ in words(enum, (5, index), notes) if f'"{word}"' not in text]


def main():
    made = {TARGET: render(), CODES: render_codes()}
    if "--check" in sys.argv[1:]:
        for target, text in made.items():
            if not target.exists() or target.read_text(encoding="utf-8") != text:
                print(f"{target.relative_to(ROOT)} differs from its proto: run ./dev generate")
                return 1
        if gone := unsaid():
            print(f"codes.proto lists what the gateway never says: {', '.join(gone)}")
            return 1
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        for golden in sorted((ROOT / "tests" / "golden" / "envelopes").glob("readme.*")):
            if golden.read_text(encoding="utf-8") not in readme:
                print(f"README.md does not show {golden.relative_to(ROOT)}")
                return 1
        print("docs/configuration.md, docs/codes.md and README.md are current")
        return 0
    for target, text in made.items():
        target.write_text(text, encoding="utf-8")
        print(f"wrote {target.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
