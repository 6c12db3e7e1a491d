#!/usr/bin/env python3
"""Writes what the shells complete vibevmm's command line by, from the tables of its options and of what vibevmm ctl knows.

usage: gen_completions.py OPTIONS.DEF CTL.DEF DIR        DIR gets vibevmm (bash) and _vibevmm (zsh)

What follows an option is in the form that help shows of its argument, a|b|c, each of them
    a word in lower case        itself, also with a part that may follow: soft[,jit=off]
    word=THING                  "word="
    FILE, PATH, DIR             a file or a folder, also with more behind it: DIR[,tag=T][,ro], FILE@ADDR; or in front: ADDR:LEN=FILE
    TOPIC                       what --help knows
    anything else in capitals   nothing that could be known
"""
import os
import re
import sys

STRING = r'"(?:[^"\\]|\\.)*"'
OPTION = re.compile(r'^OPTION\((\w+),\s*"([^"]+)",\s*(ARG_\w+),\s*(NULL|%s),\s*\w+,\s*(\w+),\s*\w+,\s*((?:%s\s*)+)\)$' % (STRING, STRING), re.M)
CONFLICT = re.compile(r"^CONFLICT\((\w+),\s*(\w+),", re.M)
CTL = re.compile(r'^CTL\("(\w+)", (?:NULL|%s), %s, (%s)' % (STRING, STRING, STRING), re.M)
TOPIC = re.compile(r'^(?:TOPIC\(\w+,|PAGE\()\s*"([^"]+)"', re.M)


def text_of(strings):
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', strings)).replace("\\n", " ").replace('\\"', '"').replace("\\\\", "\\")


class Argument:
    """What an argument's form offers."""

    def __init__(self, form, topics):
        self.words, self.after_comma, self.files = [], [], None
        for part in re.split(r"\|(?![^\[]*\])", form):
            base, extra = re.match(r"([^\[]*)(.*)", part).groups()
            extra = [x for x in re.findall(r"\[,([^\]]*)\]", extra) if x != "..."]
            if base == "TOPIC":
                self.words += topics
            elif re.fullmatch(r"[a-z0-9]+", base):
                self.words += [base] + [base + "," + x for x in extra]
                continue
            elif re.fullmatch(r"[a-z]+=[A-Z]+", base):
                self.words.append(base.partition("=")[0] + "=")
            elif re.search(r"\bDIR\b", base):
                self.files = "folders"
            elif re.search(r"\b(FILE|PATH)\b", base):
                self.files = "files"
            self.after_comma += [re.sub(r"=.*", "=", x) for x in extra]
        self.behind_equals = form.endswith("=FILE")


class Option:
    def __init__(self, row, topics):
        self.id, name, self.kind, form, self.count, text = row
        self.name = "--" + name
        self.form = "" if form == "NULL" else text_of(form)
        self.argument = Argument(self.form, topics) if self.form else None
        self.summary = re.split(r"[.:;](?: |$)", re.sub(r" \([^)]*\)", "", text_of(text)))[0]


def parse(path):
    with open(path, encoding="utf-8") as f:
        source = f.read()
    topics = TOPIC.findall(source) + ["all"]
    options = [Option(row, topics) for row in OPTION.findall(source)]
    # A row that the pattern does not know must not just be missing.
    if len(options) != len(re.findall(r"^OPTION\(", source, re.M)) or not options:
        sys.exit("%s: a row is not of the form that %s knows" % (path, os.path.basename(__file__)))
    return options, CONFLICT.findall(source)


def parse_ctl(path):
    with open(path, encoding="utf-8") as f:
        source = f.read()
    commands = [(word, text_of(text)) for word, text in CTL.findall(source)]
    if len(commands) != len(re.findall(r"^CTL\(", source, re.M)) or not commands:
        sys.exit("%s: a row is not of the form that %s knows" % (path, os.path.basename(__file__)))
    return commands


# ---- bash ----------------------------------------------------------------------------------------------------------------------

BASH = r"""# bash completion for vibevmm; generated from src/cli/options.def.
_vibevmm()
{
    local line=${COMP_LINE:0:COMP_POINT} cur=${COMP_WORDS[COMP_CWORD]} word option='' value words='' more='' files='' i
    if [[ ${COMP_WORDS[1]} == ctl && $COMP_CWORD -gt 1 ]]; then
        COMPREPLY=()
        if [[ $COMP_CWORD == 3 ]]; then
            while IFS= read -r i; do COMPREPLY+=("$i"); done < <(compgen -W '@COMMANDS@' -- "$cur")
        else
            compopt -o default
        fi
        return
    fi
    # What is being typed is several words to bash if it has = or : in it, of which the last is replaced.
    word=${line##*[[:space:]]} value=$word
    case $cur in [=:]) cur='' ;; esac
    if [[ $word == --*=* ]]; then
        option=${word%%=*} value=${word#*=}
    else
        line=${line%"$word"}
        line=${line%"${line##*[![:space:]]}"}
        option=${line##*[[:space:]]}
        # Of these the argument is part of the same word.
        case $option in @LOOSE@) option='' ;; esac
    fi
    case $option in
@CASES@
    *)
        case $value in '' | -*) words='@OPTIONS@' ;; esac
        [[ $COMP_CWORD != 1 ]] || words+=' ctl fork'
        ;;
    esac
    if [[ -n $more && $value == *,* ]]; then
        files='' words=''
        for i in $more; do words+=" ${value%,*},$i"; done
    fi
    [[ -z $files ]] || compopt -o "$files"
    COMPREPLY=()
    while IFS= read -r i; do COMPREPLY+=("${i#"${value%"$cur"}"}"); done < <(compgen -W "$words" -- "$value")
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi
}
complete -F _vibevmm vibevmm
"""


def bash_case(o):
    a = o.argument
    settings = []
    if a.words:
        settings.append("words='%s'" % " ".join(a.words))
    if a.after_comma:
        settings.append("more='%s'" % " ".join(a.after_comma))
    if a.files:
        settings.append("files=%s" % {"files": "default", "folders": "dirnames"}[a.files])
    return "    %s) %s ;;" % (o.name, " ".join(settings) or ":")


def bash(options, commands):
    names = [o.name for o in options] + [o.name + "=" for o in options if o.kind == "ARG_OPTIONAL"]
    loose = [o.name for o in options if o.kind in ("ARG_NONE", "ARG_OPTIONAL")]
    return (BASH.replace("@LOOSE@", " | ".join(loose)).replace("@CASES@", "\n".join(bash_case(o) for o in options if o.argument))
            .replace("@OPTIONS@", " ".join(names)).replace("@COMMANDS@", " ".join(word for word, _ in commands)))


# ---- zsh -----------------------------------------------------------------------------------------------------------------------

ZSH = """#compdef vibevmm
# zsh completion for vibevmm; generated from src/cli/options.def.
local -a commands=(%s)
if [[ $words[2] == ctl ]] && (( CURRENT > 2 )); then
    if (( CURRENT == 4 )); then _describe command commands; else _files; fi
    return
fi
if [[ $words[2] == fork ]] && (( CURRENT > 2 )); then
    shift words
    (( CURRENT-- ))
elif (( CURRENT == 2 )); then
    compadd -- ctl fork
fi
_arguments \\
%s
"""


def zsh_words(words):
    whole, stems = [[w for w in words if w.endswith("=") == ends] for ends in (False, True)]
    return (["compadd -- " + " ".join(whole)] if whole else []) + (['compadd -S "" -- ' + " ".join(stems)] if stems else [])


def zsh_action(a):
    parts = zsh_words(a.words)
    if a.files == "files":
        parts.append('compset -P "*="; _files' if a.behind_equals else "_files")
    elif a.files:
        parts.append("_files -/")
    if a.after_comma:
        parts = ['if compset -P "*,"; then %s; else %s; fi' % ("; ".join(zsh_words(a.after_comma)), "; ".join(parts))]
    return "{%s}" % "; ".join(parts) if parts else " "


def zsh(options, commands, conflicts):
    name = {o.id: o.name for o in options}
    rows = []
    for o in options:
        excluded = sorted({name[b] for a, b in conflicts if a == o.id} | {name[a] for a, b in conflicts if b == o.id})
        row = "(%s)" % " ".join(excluded) if excluded else ""
        row += "*" if o.count == "REPEATED" else ""
        row += o.name + {"ARG_NONE": "", "ARG_NEEDED": "=", "ARG_OPTIONAL": "=-", "ARG_NEXT_WORD": "="}[o.kind]
        row += "[%s]" % re.sub(r"([\[\]\\])", r"\\\1", o.summary)
        if o.argument:
            row += (":" if o.kind == "ARG_NEEDED" else "::") + o.form.replace(":", r"\:") + ":" + zsh_action(o.argument)
        rows.append("    '%s'" % row.replace("'", "'\\''"))
    described = ("'%s:%s'" % (word, text.rstrip(".").replace("'", "'\\''")) for word, text in commands)
    return ZSH % (" ".join(described), " \\\n".join(rows))


def main(argv):
    if len(argv) != 4:
        sys.stderr.write(__doc__)
        return 2
    options, conflicts = parse(argv[1])
    commands = parse_ctl(argv[2])
    for file, text in (("vibevmm", bash(options, commands)), ("_vibevmm", zsh(options, commands, conflicts))):
        with open(os.path.join(argv[3], file), "w", encoding="utf-8") as f:
            f.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
