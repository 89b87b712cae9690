/* transfer.c - what send and receive show: how far, how fast, and what became of each file. */
#include "transfer.h"

#include "clock.h"
#include "terminal.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

enum { TERMINAL_MS = 200, JSON_MS = 1000, RATE_MS = 500, OFFER_NAMES = 16 };

/* ---- words ---- */

const char *size_words(char out[SIZE_WORDS_MAX], uint64_t bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof *units)
        value /= 1000, unit++;
    snprintf(out, SIZE_WORDS_MAX, unit && value < 99.95 ? "%.1f %s" : "%.0f %s", value,
             bytes == 1 ? "byte" : units[unit]);
    return out;
}

static const char *show_path(char out[SHOWN_FILE_MAX], const char *path)
{
    text_show(out, SHOWN_FILE_MAX, path, strlen(path));
    return out;
}

const char *offer_words(char out[OFFER_WORDS_MAX], const struct manifest *manifest)
{
    char path[SHOWN_FILE_MAX], size[SIZE_WORDS_MAX], more[40] = "", folders[40] = "", links[40] = "";
    uint32_t top = 0;
    for (uint32_t i = 0; i < manifest->count; i++)
        top += !strchr(manifest->entries[i].path, '/');
    if (top > 1)
        snprintf(more, sizeof more, " and %u more", top - 1);
    if (manifest->folders)
        snprintf(folders, sizeof folders, "%u folder%s, ", manifest->folders,
                 manifest->folders == 1 ? "" : "s");
    if (manifest->links)
        snprintf(links, sizeof links, "%u link%s, ", manifest->links, manifest->links == 1 ? "" : "s");
    snprintf(out, OFFER_WORDS_MAX, "%s%s: %u file%s, %s%s%s", show_path(path, manifest->entries[0].path),
             more, manifest->files, manifest->files == 1 ? "" : "s", folders, links,
             manifest->endless ? "of unknown size" : size_words(size, manifest->bytes));
    return out;
}

static bool wants(const struct report *report, int level)
{
    return !report->json && report->level >= level;
}

/* ---- one transfer ---- */

void transfer_begin(struct transfer *transfer, const char *verb, struct p2p_peer *peer,
                    const struct manifest *manifest)
{
    *transfer = (struct transfer){.verb = verb, .manifest = manifest, .peer = peer};
    snprintf(transfer->id, sizeof transfer->id, "%s", p2p_peer_id(peer));
    events_name(transfer->name, peer);
}

static struct line *begin_line(struct report *report, const struct transfer *transfer, const char *event)
{
    struct line *line = events_line(report, event);
    line_string(line, "peer", transfer->id);
    return line;
}

void transfer_offer(struct report *report, const struct transfer *transfer)
{
    const struct manifest *manifest = transfer->manifest;
    if (!report->json)
        return;
    struct line *line = begin_line(report, transfer, "offer");
    line_number(line, "files", manifest->files);
    line_number(line, "folders", manifest->folders);
    line_number(line, "links", manifest->links);
    line_number(line, "bytes", (long long)manifest->bytes);
    line_bool(line, "endless", manifest->endless);
    line_array(line, "names");
    for (uint32_t i = 0, named = 0; i < manifest->count && named < OFFER_NAMES; i++)
        if (!strchr(manifest->entries[i].path, '/')) {
            line_element(line, manifest->entries[i].path);
            named++;
        }
    line_array_end(line);
    line_write(line);
}

static void measure(struct transfer *transfer, uint64_t now)
{
    if (!transfer->begun_ns)
        transfer->begun_ns = transfer->rate_ns = now;
    if (now - transfer->rate_ns < RATE_MS * CLOCK_MS)
        return;
    double seconds = (double)(now - transfer->rate_ns) / 1e9;
    double rate = (double)(transfer->moved - transfer->rate_bytes) / seconds;
    transfer->rate = transfer->rate > 0 ? 0.7 * transfer->rate + 0.3 * rate : rate;
    transfer->rate_ns = now, transfer->rate_bytes = transfer->moved;
}

/* Both ends count what they can; a file that is read again is counted again. */
static uint64_t bytes_done(const struct transfer *transfer)
{
    uint64_t done = transfer->moved + transfer->held + transfer->zeros, total = transfer->manifest->bytes;
    return transfer->manifest->endless || done < total ? done : total;
}

static int rest_words(char *out, size_t capacity, double seconds)
{
    if (seconds < 100)
        return snprintf(out, capacity, ", %.0f s left", seconds);
    if (seconds < 6000)
        return snprintf(out, capacity, ", %.0f min left", seconds / 60);
    return snprintf(out, capacity, ", %.0f h left", seconds / 3600 < 9999 ? seconds / 3600 : 9999);
}

static void progress_words(char *out, size_t capacity, const struct transfer *transfer)
{
    char done[SIZE_WORDS_MAX], all[SIZE_WORDS_MAX], rate[SIZE_WORDS_MAX];
    uint64_t bytes = bytes_done(transfer), total = transfer->manifest->bytes;
    int len =
        snprintf(out, capacity, "%s %.40s: %s", transfer->verb, transfer->name, size_words(done, bytes));
    if (!transfer->manifest->endless && total)
        len += snprintf(out + len, capacity - (size_t)len, " of %s, %u %%", size_words(all, total),
                        (unsigned)((double)bytes * 100 / (double)total));
    if (transfer->rate >= 1)
        len +=
            snprintf(out + len, capacity - (size_t)len, ", %s/s", size_words(rate, (uint64_t)transfer->rate));
    if (!transfer->manifest->endless && transfer->rate >= 1)
        len += rest_words(out + len, capacity - (size_t)len, (double)(total - bytes) / transfer->rate);
    snprintf(out + len, capacity - (size_t)len, "%s%s", *transfer->kind ? ", " : "", transfer->kind);
}

static void progress_line(struct report *report, const struct transfer *transfer)
{
    struct line *line = begin_line(report, transfer, "progress");
    line_number(line, "bytes", (long long)bytes_done(transfer));
    line_number(line, "moved", (long long)transfer->moved);
    line_number(line, "total", transfer->manifest->endless ? -1 : (long long)transfer->manifest->bytes);
    line_number(line, "rate", (long long)transfer->rate);
    line_number(line, "files", transfer->arrived + transfer->already);
    line_string(line, "kind", transfer->kind);
    line_write(line);
}

uint64_t transfer_progress(struct report *report, struct transfer *transfer, uint64_t now)
{
    char words[400];
    struct p2p_path path;
    uint64_t every = (report->json ? JSON_MS : TERMINAL_MS) * CLOCK_MS;
    measure(transfer, now);
    if (transfer->shown_ns && now - transfer->shown_ns < every)
        return transfer->shown_ns + every;
    transfer->shown_ns = now;
    if (transfer->peer && p2p_peer_path(transfer->peer, &path) == 0)
        snprintf(transfer->kind, sizeof transfer->kind, "%s", p2p_path_kind_name(path.kind));
    if (report->json) {
        progress_line(report, transfer);
    } else if (wants(report, 0)) {
        progress_words(words, sizeof words, transfer);
        terminal_progress(words);
    }
    return now + every;
}

void transfer_file(struct report *report, struct transfer *transfer, const struct file_result *result)
{
    static const char *const fates[] = {"arrived", "already", "failed"};
    const struct manifest_entry *entry = &transfer->manifest->entries[result->file];
    char path[SHOWN_FILE_MAX], why[TEXT_SHOWN * REASON_MAX + 1];
    transfer->arrived += result->fate == FATE_ARRIVED;
    transfer->already += result->fate == FATE_ALREADY;
    transfer->failed += result->fate == FATE_FAILED;
    text_show(why, sizeof why, result->why, strlen(result->why));
    if (report->json) {
        struct line *line = begin_line(report, transfer, "file");
        line_string(line, "path", entry->path);
        line_string(line, "fate", fates[result->fate]);
        if (result->fate == FATE_FAILED)
            line_string(line, "message", result->why);
        line_write(line);
    } else if (result->fate == FATE_FAILED && wants(report, -1)) {
        terminal_say(report->colour, STYLE_WARNING, "%s: %s", show_path(path, entry->path), why);
    } else if (wants(report, 1)) {
        terminal_say(report->colour, STYLE_QUIET, "%s %s", show_path(path, entry->path),
                     result->fate == FATE_ARRIVED ? "has arrived" : "is there already");
    }
}

void transfer_summary(struct report *report, struct transfer *transfer, uint64_t now, const char *sentence)
{
    double seconds = transfer->begun_ns ? (double)(now - transfer->begun_ns) / 1e9 : 0;
    char moved[SIZE_WORDS_MAX], rate[SIZE_WORDS_MAX], held[80] = "", zeros[80] = "", failed[40] = "";
    char size[SIZE_WORDS_MAX];
    terminal_progress("");
    if (report->json) {
        struct line *line = begin_line(report, transfer, "transfer");
        line_bool(line, "complete", !sentence && !transfer->failed);
        line_number(line, "arrived", transfer->arrived);
        line_number(line, "already", transfer->already);
        line_number(line, "failed", transfer->failed);
        line_number(line, "moved", (long long)transfer->moved);
        line_number(line, "held", (long long)transfer->held);
        line_number(line, "zeros", (long long)transfer->zeros);
        line_decimal(line, "seconds", seconds);
        line_string(line, "kind", transfer->kind);
        line_write(line);
        return;
    }
    if (!wants(report, 0))
        return;
    if (transfer->held)
        snprintf(held, sizeof held, ", %s were there already", size_words(size, transfer->held));
    if (transfer->zeros)
        snprintf(zeros, sizeof zeros, ", %s are zeros", size_words(size, transfer->zeros));
    if (transfer->failed)
        snprintf(failed, sizeof failed, ", %u failed", transfer->failed);
    terminal_say(report->colour, !sentence && !transfer->failed ? STYLE_GOOD : STYLE_WARNING,
                 "%s %s: %u of %u files%s, %s in %.1f s (%s/s)%s%s%s", transfer->verb, transfer->name,
                 transfer->arrived + transfer->already, transfer->manifest->files + transfer->manifest->links,
                 sentence ? "" : ", verified", size_words(moved, transfer->moved), seconds,
                 size_words(rate, seconds > 0 ? (uint64_t)((double)transfer->moved / seconds) : 0), held,
                 zeros, failed);
}
