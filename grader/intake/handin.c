/* handin.c - one try is read, in a process of its own: what it brings may want all memory, or
 * find a defect in a library. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "intake/parts.h"

#define MEMORY_BYTES  (1u << 30)
#define CPU_SECONDS   30
#define SUMMARY_BYTES (4u << 20)

static void limits_set(void)
{
    struct rlimit memory = {MEMORY_BYTES, MEMORY_BYTES}, cpu = {CPU_SECONDS, CPU_SECONDS},
                  none = {0, 0};

    setrlimit(RLIMIT_AS, &memory);
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* The parts, under the name of their contents: whole or not at all. */
static cJSON *parts_keep(struct parts *p, const char *place, char key[33])
{
    char fresh[PATH_ROOM], folder[PATH_ROOM];
    cJSON *labs;

    path_make(fresh, "%s/new.XXXXXX", place);
    if (!mkdtemp(fresh))
        return NULL;
    labs = parts_choose(p, fresh, key);
    path_make(folder, "%s/%s", place, key);
    if (labs && key[0] && rename(fresh, folder) < 0 && errno != EEXIST &&
        errno != ENOTEMPTY) {
        cJSON_Delete(labs);
        labs = NULL;
    }
    folder_remove(fresh);
    return labs;
}

static cJSON *summary_make(struct parts *p, const char *place)
{
    cJSON *summary = cJSON_CreateObject(), *labs = NULL;
    char key[33] = "";

    if (!p->refused) {
        labs = parts_keep(p, place, key);
        if (!labs)
            parts_refuse(p, "its parts could not be kept: %s", strerror(errno));
    }
    if (key[0])
        cJSON_AddStringToObject(summary, "parts", key);
    if (labs)
        cJSON_AddItemToObject(summary, "labs", labs);
    cJSON_AddItemToObject(summary, "files", p->files);
    cJSON_AddItemToObject(summary, "notes", p->notes);
    cJSON_AddNumberToObject(summary, "newest", (double)p->newest);
    if (p->refused)
        cJSON_AddStringToObject(summary, "refused", p->why);
    return summary;
}

_Noreturn static void reader_main(const struct handins *handins, const struct handin *h,
                                  const struct labs *labs, const char *place, int report,
                                  pid_t parent)
{
    struct parts p = parts_begin(labs);
    cJSON *summary;
    char *text;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    limits_set();
    setlocale(LC_CTYPE, "C.UTF-8"); /* names in archives */
    for (size_t i = 0; i < h->item_count && !p.refused; i++) {
        char path[PATH_ROOM];

        path_make(path, "%s/%s", handins->folder, h->items[i]);
        item_walk(&p, path, h->shown[i]);
    }
    summary = summary_make(&p, place);
    text = cJSON_PrintUnformatted(summary);
    _exit(text && dprintf(report, "%s", text) >= 0 ? 0 : 1);
}

static char *all_read(int fd)
{
    char *text = malloc(SUMMARY_BYTES + 1);
    size_t size = 0;
    ssize_t n = 1;

    while (text && n > 0 && size < SUMMARY_BYTES) {
        n = read(fd, text + size, SUMMARY_BYTES - size);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            size += (size_t)n;
    }
    if (text)
        text[size] = 0;
    return text;
}

static cJSON *refusal(const char *why)
{
    cJSON *summary = cJSON_CreateObject();

    cJSON_AddArrayToObject(summary, "files");
    cJSON_AddArrayToObject(summary, "notes");
    cJSON_AddStringToObject(summary, "refused", why);
    return summary;
}

cJSON *handin_read(const struct handins *handins, const struct handin *handin,
                   const struct labs *labs, const char *place)
{
    pid_t parent = getpid(), pid;
    int pipes[2], status = -1;
    cJSON *summary = NULL;
    char *text;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return refusal("it could not be read: no pipe");
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        reader_main(handins, handin, labs, place, pipes[1], parent);
    close(pipes[1]);
    text = all_read(pipes[0]);
    close(pipes[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && text)
        summary = cJSON_Parse(text);
    free(text);
    return summary ? summary
                   : refusal("reading it took more memory or time than is given, or "
                             "found a defect of the reader");
}
