/* settings.c - the NAME=value words behind a verb. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/cage.h"
#include "lib/command.h"
#include "lib/settings.h"

#define SEEDS 1000000 /* short enough to be typed */

struct setting {
    const char *name;
    const char **value;
};

static bool word_store(const struct setting *known, const char *word)
{
    for (const struct setting *k = known; k->name; k++) {
        size_t length = strlen(k->name);

        if (strncmp(word, k->name, length) == 0 && word[length] == '=') {
            *k->value = word + length + 1;
            return true;
        }
    }
    fprintf(stderr, "grader: unknown setting '%s'. There are:", word);
    for (const struct setting *k = known; k->name; k++)
        fprintf(stderr, " %s=", k->name);
    fprintf(stderr, "\n");
    return false;
}

/* NAME=0 and NAME= mean off. */
static const char *switch_on(const char *value)
{
    return value && *value && strcmp(value, "0") != 0 ? value : NULL;
}

/* "labs/", as the shell completes it, is labs. */
static const char *slashes_strip(const char *path)
{
    char *end = (char *)(uintptr_t)path + strlen(path);

    if (end[-1] == '/' && end - path > 1) {
        while (end - path > 1 && end[-1] == '/')
            *--end = 0; /* a word of our own argv */
    }
    return path;
}

uint64_t seed_random(void)
{
    uint32_t random;

    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random = (uint32_t)(now_seconds() * 1e6);
    return random % SEEDS;
}

static bool seed_parse(struct settings *s)
{
    char *end;

    if (!s->seed_text) {
        s->seed = seed_random();
        return true;
    }
    errno = 0;
    s->seed = strtoull(s->seed_text, &end, 0);
    if (errno || end == s->seed_text || *end) {
        fprintf(stderr, "grader: SEED=%s is not a number\n", s->seed_text);
        return false;
    }
    return true;
}

bool settings_parse(struct settings *s, int count, char **words)
{
    *s = (struct settings){.from = "labs"};
    const struct setting known[] = {
        {"LAB", &s->lab},
        {"CHECK", &s->check},
        {"SEED", &s->seed_text},
        {"FROM", &s->from},
        {"TARGET", &s->target},
        {"OWN", &s->own},
        {"SANITIZE", &s->sanitize},
        {"YES", &s->yes},
        {"TIMES", &s->times},
        {"TEXT", &s->text},
        {"NAMED", &s->named},
        {"KERNEL", &s->kernel},
        {"MODULES", &s->modules},
        {"LABS", &s->labs},
        {"SUBMISSIONS", &s->submissions},
        {"NAME", &s->name},
        {"ROSTER", &s->roster},
        {"DEADLINE", &s->deadline},
        {"ENGINE", &s->engine},
        {"JOBS", &s->jobs},
        {"UNITS", &s->units},
        {"UNIT", &s->unit},
        {"TIME", &s->time},
        {"PARTITION", &s->partition},
        {"HOSTS", &s->hosts},
        {"MEMORY", &s->memory},
        {"FORMAT", &s->format},
        {"HIDE", &s->hide},
        {"HINTS", &s->hints},
        {"SOURCES", &s->sources},
        {"CORPUS", &s->corpus},
        {"ALL", &s->all},
        {"PROBLEMS", &s->problems},
        {"CAGE", &s->cage},
        {"CMDLINE", &s->command_line},
        {"DEVICE", &s->device},
        {"CPUS", &s->cpus},
        {NULL, NULL},
    };

    for (int i = 0; i < count; i++)
        if (!word_store(known, words[i]))
            return false;
    s->not_own = s->own && !switch_on(s->own);
    s->own = switch_on(s->own);
    s->sanitize = switch_on(s->sanitize);
    s->yes = switch_on(s->yes);
    s->text = switch_on(s->text);
    s->named = switch_on(s->named);
    s->sources = switch_on(s->sources);
    s->all = switch_on(s->all);
    s->problems = switch_on(s->problems);
    s->from = slashes_strip(s->from);
    if (s->target && strcmp(s->target, "model") && strcmp(s->target, "machine") &&
        strcmp(s->target, "silicon")) {
        fprintf(stderr, "grader: unknown TARGET=%s; there are: model, machine, silicon\n",
                s->target);
        return false;
    }
    if (s->cage && cage_named(s->cage) == CAGE_NONE) {
        fprintf(stderr, "grader: unknown CAGE=%s; there are: bubblewrap, landlock\n",
                s->cage);
        return false;
    }
    if (s->sanitize && s->target && strcmp(s->target, "model") != 0) {
        fprintf(stderr, "grader: SANITIZE=1 works on TARGET=model only\n");
        return false;
    }
    return seed_parse(s);
}

bool settings_kernel(const struct settings *s)
{
    if (!s->kernel == !s->modules)
        return true;
    fprintf(stderr, "grader: KERNEL= (a bzImage) and MODULES= (a /lib/modules/VERSION "
                    "folder) go together\n");
    return false;
}
