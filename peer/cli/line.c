/* line.c - one JSON object on one line, built member by member (RFC 8259).
 *
 * The program writes flat objects only, so there is no tree to keep. */
#include "line.h"

#include "terminal.h"
#include "text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append(struct line *line, const char *text, size_t len)
{
    if (line->len + len > line->capacity) {
        size_t capacity = (line->len + len) * 2;
        char *data = line->bad ? NULL : realloc(line->data, capacity);
        if (!data) {
            line->bad = true;
            return;
        }
        line->data = data, line->capacity = capacity;
    }
    memcpy(line->data + line->len, text, len);
    line->len += len;
}

static void append_string(struct line *line, const char *text)
{
    append(line, text, strlen(text));
}

/* A character that a terminal might obey, as \uXXXX: all of them are in the first 65,536. */
static void append_escaped(struct line *line, uint32_t code)
{
    char escape[8];
    int len = snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code & 0xffff);
    append(line, escape, (size_t)len);
}

static void append_quoted(struct line *line, const char *text, size_t len)
{
    append_string(line, "\"");
    for (size_t at = 0, bytes; at < len; at += bytes) {
        uint32_t code = 0;
        char escape[8];
        if ((bytes = text_plain(text + at, len - at))) {
            append(line, text + at, bytes);
            continue;
        }
        bytes = text_character(text + at, len - at, &code);
        if (bytes == 0) {
            bytes = 1;
            int len_shown = snprintf(escape, sizeof escape, "\\\\x%02x", (unsigned char)text[at]);
            append(line, escape, (size_t)len_shown);
        } else if (text_is_control(code)) {
            append_escaped(line, code);
        } else {
            if (code == '"' || code == '\\')
                append_string(line, "\\");
            append(line, text + at, bytes);
        }
    }
    append_string(line, "\"");
}

static void append_name(struct line *line, const char *name)
{
    if (line->len > 1)
        append_string(line, ",");
    append_quoted(line, name, strlen(name));
    append_string(line, ":");
}

void line_begin(struct line *line)
{
    line->len = 0;
    line->bad = false;
    append_string(line, "{");
}

void line_text(struct line *line, const char *name, const char *text, size_t len)
{
    append_name(line, name);
    append_quoted(line, text, len);
}

void line_string(struct line *line, const char *name, const char *text)
{
    line_text(line, name, text, strlen(text));
}

void line_number(struct line *line, const char *name, long long number)
{
    char digits[32];
    append_name(line, name);
    int len = snprintf(digits, sizeof digits, "%lld", number);
    append(line, digits, (size_t)len);
}

void line_decimal(struct line *line, const char *name, double number)
{
    char digits[64];
    append_name(line, name);
    int len = snprintf(digits, sizeof digits, "%.3f", number);
    append(line, digits, (size_t)len);
}

void line_bool(struct line *line, const char *name, bool value)
{
    append_name(line, name);
    append_string(line, value ? "true" : "false");
}

void line_array(struct line *line, const char *name)
{
    append_name(line, name);
    append_string(line, "[");
}

void line_element(struct line *line, const char *text)
{
    if (!line->bad && line->data[line->len - 1] != '[')
        append_string(line, ",");
    append_quoted(line, text, strlen(text));
}

void line_array_end(struct line *line)
{
    append_string(line, "]");
}

void line_write(struct line *line)
{
    append_string(line, "}\n");
    if (!line->bad)
        terminal_write(line->data, line->len);
}

void line_free(struct line *line)
{
    free(line->data);
    *line = (struct line){0};
}
