/* crash.c - from code addresses to the names that a student knows.
 *
 * The addresses are the subject's own word, and so are the names in its ELF file: they are shown,
 * nothing is concluded from them. addr2line reads the file in a cage, for a submission may have
 * written into its debug information what it likes. */
#define _GNU_SOURCE
#include "judge/crash.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "judge/sandbox.h"
#include "judge/text.h"
#include "lib/host.h"

#define PLACES_MAX   96
#define NULL_PAGES   0x10000u /* accesses below are of a member of what NULL points to */
#define OUTPUT_BYTES 16384

/* "path/ept.c:57 (discriminator 2)"; "??:0": not known */
static void place_line(struct code_place *place, const char *text)
{
    const char *colon = strrchr(text, ':');
    int length = colon ? (int)(colon - text) : 0;

    place->file[0] = place->line[0] = 0;
    if (!colon || text[0] == '?' || colon[1] == '?')
        return;
    snprintf(place->file, sizeof place->file, "%.*s", length, text);
    snprintf(place->line, sizeof place->line, "%.*s", (int)strcspn(colon + 1, " \n"),
             colon + 1);
}

size_t code_places_parse(struct code_place *places, size_t max, char *text)
{
    size_t n = 0;
    char *save = NULL, *line;

    text_clean(text);
    for (line = strtok_r(text, "\n", &save); line && n < max;
         line = strtok_r(NULL, "\n", &save)) {
        snprintf(places[n].function, sizeof places[n].function, "%s", line);
        line = strtok_r(NULL, "\n", &save);
        if (line)
            place_line(&places[n++], line);
    }
    return n;
}

static size_t places_find(struct code_place *places, const struct arena_crash *crash,
                          const char *subject, enum cage cage)
{
    static char output[OUTPUT_BYTES], numbers[ARENA_FRAMES][24];
    const char *words[ARENA_FRAMES + 6] = {X86_TOOL("addr2line"), "-f", "-i", "-e", "FILE"};
    size_t n = 5;

    for (uint32_t i = 0; i < crash->frame_count && i < ARENA_FRAMES; i++) {
        snprintf(numbers[i], sizeof numbers[i], "%#" PRIx64, crash->frames[i]);
        words[n++] = numbers[i];
    }
    words[n] = NULL;
    if (!sandbox_tool_run(cage, subject, words, output, sizeof output))
        return 0;
    return code_places_parse(places, PLACES_MAX, output);
}

static bool is_students(const struct code_place *place, const char *lab)
{
    char folder[64];

    snprintf(folder, sizeof folder, "/%s/", lab);
    return strstr(place->file, folder) != NULL;
}

static const char *file_name(const struct code_place *place)
{
    const char *slash = strrchr(place->file, '/');

    return slash ? slash + 1 : place->file;
}

static void add(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add(char *buffer, size_t size, const char *format, ...)
{
    const size_t length = strlen(buffer);
    va_list list;

    va_start(list, format);
    vsnprintf(buffer + length, size - length, format, list);
    va_end(list);
}

/* A signal that a memory access caused says which. */
static void address_describe(const struct arena_crash *crash, char *buffer, size_t size)
{
    if ((crash->signal != SIGSEGV && crash->signal != SIGBUS) || crash->code <= 0)
        return;
    if (crash->code == SI_KERNEL)
        add(buffer, size, "; it accessed an address that cannot be");
    else
        add(buffer, size, "; it accessed address %#" PRIx64 "%s", crash->address,
            crash->address < NULL_PAGES ? " (a NULL pointer?)" : "");
}

/* A function of the C library, without what only its authors tell apart: "memset" of
 * "__memset_avx2_unaligned". */
static void called_describe(const struct code_place *place, char *buffer, size_t size)
{
    const char *name = place->function + strspn(place->function, "_");
    size_t length = strcspn(name, ".");

    for (const char *const *kind =
             (const char *const[]){"_avx", "_sse", "_evex", "_unaligned", NULL};
         *kind; kind++)
        if (strstr(name, *kind) && (size_t)(strstr(name, *kind) - name) < length)
            length = (size_t)(strstr(name, *kind) - name);
    if (length && name[0] != '?')
        add(buffer, size, ", which had called %.*s()", (int)length, name);
}

/* First the innermost place of the student's; what that had called, if it was outside; and what
 * the check had called, which is the student's outermost. */
static bool places_describe(const struct code_place *places, size_t count, const char *lab,
                            char *buffer, size_t size)
{
    size_t inner = 0, outer = count;

    while (inner < count && !is_students(&places[inner], lab))
        inner++;
    if (inner == count)
        return false;
    while (outer > inner && !is_students(&places[outer - 1], lab))
        outer--;
    add(buffer, size, "\nIt was at %s:%s, in %s()", file_name(&places[inner]),
        places[inner].line, places[inner].function);
    if (inner > 0)
        called_describe(&places[inner - 1], buffer, size);
    if (inner == 0 && outer == count && count >= ARENA_FRAMES)
        add(buffer, size, "; does it call itself without end?");
    else if (strcmp(places[outer - 1].function, places[inner].function) != 0)
        add(buffer, size, "; the check had called %s()", places[outer - 1].function);
    return true;
}

bool crash_describe(const struct arena_crash *crash, const char *subject, const char *lab,
                    enum cage cage, char *buffer, size_t size)
{
    static struct code_place places[PLACES_MAX];
    size_t count;
    bool known;

    buffer[0] = 0;
    if (!crash->signal)
        return false;
    count = places_find(places, crash, subject, cage);
    known = places_describe(places, count, lab, buffer, size);
    if (!known && count && places[0].function[0] != '?')
        add(buffer, size, "\nIt was in %s(), and no line of yours is on the way there",
            places[0].function);
    if (buffer[0])
        address_describe(crash, buffer, size);
    return known;
}
