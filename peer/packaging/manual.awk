# manual.awk - the manual page of the library out of its header, so that they cannot say different things:
# awk -v version=0.1.0 -v date=2026-11-20 -f manual.awk p2pconnect.h >p2pconnect.3
#
# What it knows of C is the way in which this header is written: a comment stands before what it is about, one
# behind a member belongs to that, `/* ---- TITLE ---- */` begins a section, and a declaration ends with the first
# semicolon outside of braces. `make lint` counts that nothing is lost.

function escape(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    return text
}

# Prose: names of ours in bold, `arguments` in italics, a sentence a line, and no line that looks like a request.
function prose(text,    word, out, n, i, words, quoted) {
    n = split(text, words, " ")
    for (i = 1; i <= n; i++) {
        word = escape(words[i])
        if (word !~ /`/ && match(word, /(p2p|P2P)_[A-Za-z0-9_]+/))
            word = substr(word, 1, RSTART - 1) "\\fB" substr(word, RSTART, RLENGTH) "\\fP" substr(word, RSTART + RLENGTH)
        while (word ~ /`/) {
            sub(/`/, quoted ? "\\fP" : "\\fI", word)
            quoted = !quoted
        }
        out = out (i > 1 ? " " : "") word
    }
    if (out ~ /^[.']/)
        out = "\\&" out
    gsub(/\. /, ".\n", out)
    gsub(/\n[.']/, "\n\\\\\\&.", out)
    return out
}

# A paragraph begins, unless a section just has.
function begin(macro) {
    if (!fresh || macro != ".PP")
        print macro
    fresh = 0
}

function section(macro, title) {
    print macro " " title
    fresh = 1
}

function paragraph(text) {
    if (text != "")
        print prose(text)
}

# The text of a comment, its paragraphs separated by newlines. `begun` is its first line, without what is before it.
function comment(begun,    text, line) {
    line = begun
    sub(/^[ \t]*\/\*[ \t]*/, "", line)
    while (1) {
        if (line ~ /\*\//) {
            sub(/[ \t]*\*\/.*$/, "", line)
            return text (text == "" || text ~ /\n$/ ? "" : line == "" ? "" : " ") line
        }
        text = text (line == "" ? "\n" : (text == "" || text ~ /\n$/ ? "" : " ") line)
        if ((getline line) <= 0)
            return text
        sub(/^[ \t]*\*?[ \t]?/, "", line)
        if (line == "/")
            line = "*/"
        sub(/^[ \t]+/, "", line)
    }
}

function declaration(text) {
    sub(/^P2P_API /, "", text)
    gsub(/[ \t]+/, " ", text)
    return escape(text)
}

# A member and what is said of it.
function member(name, about) {
    gsub(/^[ \t]+|[ \t]+$/, "", name)
    sub(/,$/, "", name)
    if (name == "")
        return
    gsub(/"/, "\\(dq", name)
    printf ".IP \"\\fB%s\\fP\" 4\n", declaration(name)
    paragraph(about)
}

# struct NAME { or enum NAME {: to its end, a member a line.
function aggregate(line,    name, about) {
    sub(/[ \t]*\{.*$/, "", line)
    begin(".PP")
    print ".B " declaration(line)
    if (pending != "") {
        print ".PP"
        paragraphs(pending)
    }
    name = about = ""
    while ((getline line) > 0) {
        if (line ~ /^\}/)
            break
        if (line ~ /^[ \t]*\/\*/ && name == "") # behind the member before it, on a line of its own
            about = about (about == "" ? "" : " ") comment(line)
        else {
            if (name != "" && name ~ /[;,][ \t]*$/) {
                member(name, about)
                name = about = ""
            }
            if (match(line, /\/\*/)) {
                name = name " " substr(line, 1, RSTART - 1)
                about = comment(substr(line, RSTART))
            } else
                name = name " " line
        }
    }
    member(name, about)
}

function paragraphs(text,    i, n, part) {
    n = split(text, part, "\n")
    for (i = 1; i <= n; i++) {
        if (i > 1)
            print ".PP"
        paragraph(part[i])
    }
}

function head(text,    i, n, part, title) {
    n = split(text, part, "\n")
    title = part[1]
    sub(/^[^ ]+ - /, "", title)
    sub(/\.$/, "", title)
    printf ".TH P2PCONNECT 3 %s \"p2pconnect %s\" \"Library Functions\"\n", date, version
    print ".ad l" # names are long
    print ".SH NAME\np2pconnect \\- " escape(title)
    print ".SH SYNOPSIS\n.EX\n#include <p2pconnect.h>\n"
    print "cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs libp2pconnect)\n.EE\n.SH DESCRIPTION"
    fresh = 1
    for (i = 2; i <= n; i++) {
        if (match(part[i], /^[A-Z][a-z]+\. /)) {
            section(".SS", substr(part[i], 1, RLENGTH - 2))
            paragraph(substr(part[i], RLENGTH + 1))
        } else {
            begin(".PP")
            paragraph(part[i])
        }
        fresh = 0
    }
}

# One or several declarations with the comment that stood before them.
function flush_declarations() {
    if (declared != "") {
        begin(".PP")
        printf ".nf\n%s.fi\n", declared
    }
    if (pending != "") {
        begin(declared != "" ? ".RS 4" : ".PP")
        paragraphs(pending)
        if (declared != "")
            print ".RE"
    }
    declared = pending = ""
}

NR == 1 { head(comment($0)); next }
/^#define P2P_[A-Z_]+ [^_]/ { declared = declared "\\fB" escape($0) "\\fP\n"; next }
/^#/ || /^extern "C"/ || /^}$/ { next }
/^\/\* ---- / {
    flush_declarations()
    title = $0
    gsub(/^\/\* -+ | -+ \*\/$/, "", title)
    section(".SH", toupper(escape(title)))
    next
}
/^\/\*/ { flush_declarations(); pending = comment($0); next }
/^[ \t]*$/ { flush_declarations(); next }
/^(struct|enum) [a-z0-9_]+ \{$/ { aggregate($0); pending = ""; next }
{
    line = $0
    trailing = ""
    while (line !~ /;/ && (getline more) > 0)
        line = line " " more
    if (match(line, /;[ \t]*\/\*/)) { # what stands behind it, is about it
        trailing = comment(substr(line, RSTART + 1))
        line = substr(line, 1, RSTART)
        pending = pending (pending == "" ? "" : " ") trailing
    }
    if (line ~ /^struct [a-z0-9_]+;$/)
        next
    declared = declared "\\fB" declaration(line) "\\fP\n"
}
END {
    flush_declarations()
    print ".SH SEE ALSO\n.BR p2pconnect (1)"
}
