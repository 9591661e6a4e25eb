/* qemu.c - QEMU as a child process: boot, snapshot, restore. */
#define _GNU_SOURCE
#include "judge/qemu.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/host.h"
#include "machine/frames.h"

#define QEMU "qemu-system-x86_64"
/* (On a host that keeps stores in less order than an x86 does, QEMU warns of the other one.) */
#define TCG           (HOST_RUNS_SUBJECTS ? "tcg,thread=multi" : "tcg,thread=single")
#define RAM_SIZE      "512M"
#define ARGS_MAX      64
#define BOOT_SECONDS  180
#define WAKE_SECONDS  60
#define CLOCK_TEST_US 500000

/* One CPU: with two, TCG can kill the kernel while KVM patches its code (CONTRIBUTING).
 * Expedited RCU: to empty the trace's buffer, the kernel waits for a grace period, which takes
 * some ticks (15 ms) otherwise. */
#define KERNEL_COMMAND_LINE                                                                \
    "console=ttyS0 quiet intel_iommu=on iommu=nopt panic=-1 cryptomgr.notests "            \
    "tsc=reliable no_timer_check mitigations=off lpj=4000000 random.trust_cpu=on "         \
    "rcupdate.rcu_expedited=1"

struct arguments {
    char *item[ARGS_MAX];
    int count;
};

__attribute__((format(printf, 2, 3))) static void argument_add(struct arguments *arguments,
                                                               const char *format, ...)
{
    va_list list;

    va_start(list, format);
    if (arguments->count < ARGS_MAX - 1 &&
        vasprintf(&arguments->item[arguments->count], format, list) >= 0)
        arguments->count++;
    va_end(list);
}

static void arguments_free(struct arguments *arguments)
{
    for (int i = 0; i < arguments->count; i++)
        free(arguments->item[i]);
}

__attribute__((format(printf, 3, 4))) static int explain(char *why, size_t size,
                                                         const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(why, size, format, list);
    va_end(list);
    return -EIO;
}

/* What is the same for booting and restoring: they have to be the same machine. */
static void machine_arguments(struct arguments *a, const char *dir, bool share)
{
    argument_add(a, QEMU);
    for (const char *const *word =
             (const char *const[]){"-accel", TCG, "-cpu", "max,-xsave", "-smp", "1", "-m",
                                   RAM_SIZE, "-display", "none", "-no-reboot",
                                   "-nodefaults", "-no-user-config", NULL};
         *word; word++)
        argument_add(a, "%s", *word);
    argument_add(a, "-M");
    argument_add(a, "q35,kernel-irqchip=split%s", dir ? ",memory-backend=ram" : "");
    if (dir) {
        argument_add(a, "-object");
        argument_add(
            a, "memory-backend-file,id=ram,size=" RAM_SIZE ",mem-path=%s/ram,share=%s", dir,
            share ? "on" : "off");
    }
    argument_add(a, "-device");
    /* (39 address bits, three levels: QEMU 7.2's own; from 9.2 on it would be 48.) */
    argument_add(a, "intel-iommu,intremap=on,caching-mode=on,aw-bits=39");
    argument_add(a, "-device");
    argument_add(a, "edu,addr=5");
}

static void channel_arguments(struct arguments *a, int channel, int qmp)
{
    argument_add(a, "-serial");
    argument_add(a, "stdio");
    argument_add(a, "-chardev");
    argument_add(a, "socket,id=c0,fd=%d", channel);
    argument_add(a, "-device");
    argument_add(a, "virtio-serial-pci,addr=6");
    argument_add(a, "-device");
    argument_add(a, "virtserialport,chardev=c0,name=job,nr=1");
    argument_add(a, "-chardev");
    argument_add(a, "socket,id=q0,fd=%d", qmp);
    argument_add(a, "-mon");
    argument_add(a, "chardev=q0,mode=control");
}

static void boot_arguments(struct arguments *a, const char *kernel, const char *initramfs,
                           const char *extra)
{
    argument_add(a, "-kernel");
    argument_add(a, "%s", kernel);
    argument_add(a, "-initrd");
    argument_add(a, "%s", initramfs);
    argument_add(a, "-append");
    argument_add(a, KERNEL_COMMAND_LINE "%s", extra);
}

/* In the child: keep only the descriptors that QEMU is told about, die with the parent. */
_Noreturn static void qemu_exec(const struct arguments *a, pid_t parent, int console,
                                const int *keep, int keep_count)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    setpgid(0, 0); /* Ctrl-C is for the grader, which ends us in good order */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    dup2(open("/dev/null", O_RDONLY), 0);
    dup2(console, 1);
    dup2(console, 2);
    for (int i = 0; i < keep_count; i++)
        if (keep[i] >= 0)
            fcntl(keep[i], F_SETFD, 0);
    execvp(QEMU, a->item);
    dprintf(2, "cannot start " QEMU ": %m\n");
    _exit(127);
}

/* Starts QEMU with a channel and a monitor; it inherits the descriptors of *m that are there. */
static int qemu_start(struct machine *m, struct arguments *a)
{
    int channel[2] = {-1, -1}, qmp[2] = {-1, -1};
    pid_t parent = getpid();

    m->console = memfd_create("console", MFD_CLOEXEC);
    if (m->console < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp) < 0)
        return -errno;
    channel_arguments(a, channel[1], qmp[1]);
    a->item[a->count] = NULL;
    m->pid = fork();
    if (m->pid == 0)
        qemu_exec(a, parent, m->console,
                  (int[]){channel[1], qmp[1], m->state, m->events, m->memory}, 5);
    close(channel[1]);
    close(qmp[1]);
    m->channel = channel[0];
    m->qmp = qmp[0];
    return m->pid < 0 ? -errno : 0;
}

static void receive_timeout_set(int fd, int seconds)
{
    struct timeval limit = {.tv_sec = seconds};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

/* --- the monitor (QMP): one JSON object a line --------------------------------------------- */

static cJSON *qmp_line_read(int fd)
{
    char line[16384];
    size_t size = 0;

    while (size < sizeof line - 1 && read(fd, line + size, 1) == 1)
        if (line[size++] == '\n') {
            line[size] = 0;
            return cJSON_Parse(line);
        }
    return NULL;
}

/* Sends a command and returns its "return" value (caller deletes), or NULL. */
static cJSON *qmp_command(struct machine *m, const char *json)
{
    if (write_exactly(m->qmp, json, strlen(json)) < 0)
        return NULL;
    for (;;) {
        cJSON *reply = qmp_line_read(m->qmp), *value;

        if (!reply)
            return NULL;
        value = cJSON_DetachItemFromObject(reply, "return");
        bool failed = cJSON_HasObjectItem(reply, "error");
        cJSON_Delete(reply);
        if (value || failed)
            return value;
    }
}

static bool qmp_do(struct machine *m, const char *json)
{
    cJSON *value = qmp_command(m, json);

    cJSON_Delete(value);
    return value != NULL;
}

#define QMP_BEGIN "{\"execute\":\"qmp_capabilities\"}"
/* RAM is a shared file: do not copy it into the state. */
#define QMP_IGNORE_SHARED                                                                  \
    "{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":"           \
    "[{\"capability\":\"x-ignore-shared\",\"state\":true}]}}"

static bool qmp_begin(struct machine *m, int seconds)
{
    receive_timeout_set(m->qmp, seconds);
    cJSON *greeting = qmp_line_read(m->qmp);
    bool ok = greeting != NULL;

    cJSON_Delete(greeting);
    return ok && qmp_do(m, QMP_BEGIN) && qmp_do(m, QMP_IGNORE_SHARED);
}

static bool migration_completed(struct machine *m)
{
    for (int i = 0; i < 3000; i++) {
        cJSON *info = qmp_command(m, "{\"execute\":\"query-migrate\"}");
        const cJSON *status = cJSON_GetObjectItem(info, "status");
        bool done = cJSON_IsString(status) && !strcmp(status->valuestring, "completed");
        bool failed =
            !info || (cJSON_IsString(status) && !strcmp(status->valuestring, "failed"));

        cJSON_Delete(info);
        if (done || failed)
            return done;
        usleep(10000);
    }
    return false;
}

/* --- looking in from outside ---------------------------------------------------------------- */

/* What the IOMMU does with the device's accesses goes to a file of ours. Nothing else does:
 * each further event would cost time in every run. */
static void events_arguments(struct arguments *a, int events)
{
    argument_add(a, "-D");
    argument_add(a, "/proc/self/fd/%d", events);
    for (const char *const *event =
             (const char *const[]){"vtd_dmar_translate", "vtd_dmar_fault", "vtd_frr_new",
                                   NULL};
         *event; event++) {
        argument_add(a, "-trace");
        argument_add(a, "%s", *event);
    }
}

size_t machine_events_size(const struct machine *m)
{
    struct stat s;

    return m->events >= 0 && fstat(m->events, &s) == 0 ? (size_t)s.st_size : 0;
}

char *machine_events_text(const struct machine *m, size_t from)
{
    size_t end = machine_events_size(m), size = end > from ? end - from : 0;
    char *text = calloc(1, size + 1);

    if (text && size && pread(m->events, text, size, (off_t)from) < 0)
        text[0] = 0;
    return text;
}

/* Answers to the words of machine_wake() may still lie unread before it: look for its id. */
static bool qmp_answered(struct machine *m, const char *id)
{
    for (;;) {
        cJSON *reply = qmp_line_read(m->qmp);
        const cJSON *its = cJSON_GetObjectItem(reply, "id");
        bool found = cJSON_IsString(its) && strcmp(its->valuestring, id) == 0;
        bool good = found && cJSON_HasObjectItem(reply, "return");

        cJSON_Delete(reply);
        if (found || !reply)
            return good;
    }
}

int machine_physical_read(struct machine *m, uint64_t address, void *buffer, size_t size)
{
    static unsigned count;
    char command[300], id[32];

    snprintf(id, sizeof id, "read-%d-%u", getpid(), count++);
    snprintf(command, sizeof command,
             "{\"execute\":\"pmemsave\",\"id\":\"%s\",\"arguments\":{\"val\":%" PRIu64
             ",\"size\":%zu,\"filename\":\"/proc/self/fd/%d\"}}",
             id, address, size, m->memory);
    receive_timeout_set(m->qmp, WAKE_SECONDS);
    if (write_exactly(m->qmp, command, strlen(command)) < 0 || !qmp_answered(m, id) ||
        pread(m->memory, buffer, size, 0) != (ssize_t)size)
        return -EIO;
    return 0;
}

/* --- the agent ------------------------------------------------------------------------------ */

/* Waits for the answer to HELLO. */
static bool agent_ready(struct machine *m, int seconds)
{
    struct frame_header header;
    void *payload = NULL;
    bool ok;

    receive_timeout_set(m->channel, seconds);
    ok = frame_receive(m->channel, &header, &payload) == 0 && header.type == FRAME_READY &&
         header.length == sizeof m->ready;
    if (ok)
        memcpy(&m->ready, payload, sizeof m->ready);
    free(payload);
    return ok && m->ready.version == PROTOCOL_VERSION;
}

static bool agent_hello(struct machine *m, int seconds)
{
    return frame_send(m->channel, FRAME_HELLO, NULL, 0, NULL, 0) == 0 &&
           agent_ready(m, seconds);
}

/* Writes each format as: u32 name length, u32 text length, name, text. */
static bool formats_save(struct machine *m, const char *dir)
{
    char path[4096];
    FILE *file;
    bool ok = true, more = true;

    snprintf(path, sizeof path, "%s/formats", dir);
    file = fopen(path, "we");
    if (!file || frame_send(m->channel, FRAME_FORMATS, NULL, 0, NULL, 0) < 0)
        ok = false;
    while (ok && more) {
        struct frame_header header;
        void *payload;

        ok = frame_receive(m->channel, &header, &payload) == 0 &&
             header.type == FRAME_FORMAT_TEXT;
        more = ok && header.length > 0;
        if (more)
            ok = fwrite(&header.length, sizeof header.length, 1, file) == 1 &&
                 fwrite(payload, header.length, 1, file) == 1;
        free(payload);
    }
    if (file && fclose(file) != 0)
        ok = false;
    return ok;
}

/* --- snapshot -------------------------------------------------------------------------------- */

static double host_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A kernel that boots on a busy host may measure its clock wrongly, by a factor of ten and
 * more, and would keep that for the life of the snapshot. */
static bool clock_is_right(struct machine *m)
{
    uint64_t guest;
    double host, ratio;

    if (!agent_hello(m, BOOT_SECONDS))
        return false;
    guest = m->ready.time_us;
    host = host_seconds();
    usleep(CLOCK_TEST_US);
    if (!agent_hello(m, BOOT_SECONDS))
        return false;
    ratio = (double)(m->ready.time_us - guest) / 1e6 / (host_seconds() - host);
    return ratio > 0.8 && ratio < 1.25;
}

static int snapshot_take(struct machine *m, const char *dir, char *why, size_t size)
{
    char command[4400];

    if (!formats_save(m, dir))
        return explain(why, size, "could not read the trace formats (disk full?)");
    usleep(300000); /* let the kernel finish what it began while booting */
    snprintf(command, sizeof command,
             "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"exec:cat > '%s/state'\"}}",
             dir);
    if (!qmp_do(m, command) || !migration_completed(m))
        return explain(why, size, "QEMU could not save the machine's state (disk full?)");
    qmp_do(m, "{\"execute\":\"quit\"}");
    waitpid(m->pid, NULL, 0);
    m->pid = 0;
    return 0;
}

int machine_build(const char *dir, const char *kernel, const char *initramfs, char *why,
                  size_t why_size)
{
    struct machine m = MACHINE_NONE;
    struct arguments a = {0};
    char ram[4096];
    int r;

    snprintf(ram, sizeof ram, "%s/ram", dir);
    unlink(ram); /* of an earlier try */
    machine_arguments(&a, dir, true);
    boot_arguments(&a, kernel, initramfs, "");
    r = qemu_start(&m, &a);
    if (r < 0)
        explain(why, why_size, "could not start QEMU: %s", strerror(-r));
    else if (!qmp_begin(&m, BOOT_SECONDS) || !agent_hello(&m, BOOT_SECONDS)) {
        char *tail = machine_console_tail(&m, 600);

        r = explain(why, why_size, "the machine did not boot; its console ends with:\n%s",
                    tail ? tail : "");
        free(tail);
    } else if (!m.ready.has_kvm || !m.ready.has_trace)
        r = explain(why, why_size, "the machine's kernel has no %s",
                    m.ready.has_kvm ? "KVM tracepoints" : "usable /dev/kvm");
    else if (!clock_is_right(&m)) {
        explain(why, why_size, "its clock runs at the wrong speed (the host is very busy)");
        r = -EAGAIN;
    } else
        r = snapshot_take(&m, dir, why, why_size);
    machine_stop(&m);
    if (m.console >= 0)
        close(m.console);
    arguments_free(&a);
    return r;
}

/* All that QEMU has to be told, written ahead: it works it off while we do other things. */
static bool wake_words_write(struct machine *m)
{
    char incoming[128];

    snprintf(incoming, sizeof incoming,
             "{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":\"fd:%d\"}}",
             m->state);
    return write_exactly(m->qmp, QMP_BEGIN, strlen(QMP_BEGIN)) == 0 &&
           write_exactly(m->qmp, QMP_IGNORE_SHARED, strlen(QMP_IGNORE_SHARED)) == 0 &&
           write_exactly(m->qmp, incoming, strlen(incoming)) == 0 &&
           frame_send(m->channel, FRAME_HELLO, NULL, 0, NULL, 0) == 0;
}

int machine_wake(struct machine *m, const char *dir)
{
    struct arguments a = {0};
    char path[4096];
    int r;

    *m = (struct machine)MACHINE_NONE;
    snprintf(path, sizeof path, "%s/state", dir);
    m->state = open(path, O_RDONLY | O_CLOEXEC);
    if (m->state < 0)
        return -errno;
    m->events = memfd_create("events", MFD_CLOEXEC);
    m->memory = memfd_create("memory", MFD_CLOEXEC);
    machine_arguments(&a, dir, false);
    events_arguments(&a, m->events);
    argument_add(&a, "-incoming");
    argument_add(&a, "defer");
    r = qemu_start(m, &a);
    arguments_free(&a);
    if (r == 0 && !wake_words_write(m))
        r = -EPIPE;
    if (r < 0)
        machine_stop(m);
    return r;
}

int machine_wait(struct machine *m, char *why, size_t why_size)
{
    char *tail;
    int r;

    if (agent_ready(m, WAKE_SECONDS))
        return 0;
    tail = machine_console_tail(m, 600);
    r = explain(why, why_size, "the snapshot did not wake up; its console ends with:\n%s",
                tail ? tail : "");
    free(tail);
    machine_stop(m);
    return r;
}

int machine_restore(struct machine *m, const char *dir, char *why, size_t why_size)
{
    int r = machine_wake(m, dir);

    if (r < 0)
        return explain(why, why_size, "could not start QEMU from %s: %s", dir,
                       strerror(-r));
    return machine_wait(m, why, why_size);
}

void machine_stop(struct machine *m)
{
    int *const descriptors[] = {&m->channel, &m->qmp, &m->state, &m->events, &m->memory};

    if (m->pid > 0) {
        kill(m->pid, SIGKILL);
        waitpid(m->pid, NULL, 0);
    }
    m->pid = 0;
    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++) {
        if (*descriptors[i] >= 0)
            close(*descriptors[i]);
        *descriptors[i] = -1;
    }
}

char *machine_console_tail(const struct machine *m, size_t size)
{
    char *text = calloc(1, size + 1);
    off_t end = lseek(m->console, 0, SEEK_END);
    off_t from = end > (off_t)size ? end - (off_t)size : 0;

    if (text && end >= 0 && pread(m->console, text, size, from) < 0)
        text[0] = 0;
    return text;
}

bool machine_ended(struct machine *m, int *status)
{
    for (int i = 0; i < 200; i++) {
        if (m->pid > 0 && waitpid(m->pid, status, WNOHANG) == m->pid) {
            m->pid = 0;
            return true;
        }
        usleep(10000);
    }
    return false;
}

int machine_interactive(const char *kernel, const char *initramfs)
{
    struct arguments a = {0};
    int status;

    machine_arguments(&a, NULL, false);
    argument_add(&a, "-serial");
    argument_add(&a, "mon:stdio");
    boot_arguments(&a, kernel, initramfs, " shell");
    a.item[a.count] = NULL;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        execvp(QEMU, a.item);
        dprintf(2, "cannot start " QEMU ": %m\n");
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}
