/* answer.c - runs in the guest Linux when a check has booted it: says what this Linux found, and
 * an answer that follows from the nonce on the command line. It prints on the console, so each
 * byte becomes an OUT that KVM's tracepoints record. Then it switches the machine off. */
#define _GNU_SOURCE
#include "answer.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

#define DEVICE   "/sys/bus/pci/devices/0000:00:05.0/"
#define BAR_SIZE 0x100000u
#define WAIT_MS  5000

/* Registers of edu. */
#define REG_ID        0x00
#define REG_FACTORIAL 0x08
#define REG_STATUS    0x20
#define REG_IRQ       0x24
#define REG_IRQ_RAISE 0x60
#define REG_IRQ_ACK   0x64
#define REG_DMA_FROM  0x80
#define REG_DMA_TO    0x88
#define REG_DMA_COUNT 0x90
#define REG_DMA_START 0x98
#define DMA_RUNS      1u
#define DMA_TO_MEMORY 2u
#define STATUS_BUSY   1u
#define DEVICE_BUFFER 0x40000u

static void file_read(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY);
    size_t used = 0;
    ssize_t n = 0;

    while (fd >= 0 && used < size - 1 && (n = read(fd, text + used, size - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = 0;
    if (fd >= 0)
        close(fd);
}

/* The lines of a file that have a word in them. */
static void lines_print(const char *path, const char *word)
{
    static char text[65536];
    char *save;

    file_read(path, text, sizeof text);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (strstr(line, word))
            printf("%s: %s\n", path, line);
}

/* --- the passed-through device ------------------------------------------------------------- */

/* Where a page of ours lies in the guest's physical memory; 0: not known. */
static uint64_t page_gpa(const void *page)
{
    uint64_t entry = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY);

    if (fd < 0 || pread(fd, &entry, sizeof entry, (off_t)((uintptr_t)page / 4096 * 8)) !=
                      sizeof entry)
        entry = 0;
    if (fd >= 0)
        close(fd);
    return (entry & 0x7fffffffffffffull) * 4096;
}

static uint32_t get(const volatile uint8_t *bar, unsigned at)
{
    return *(const volatile uint32_t *)(const volatile void *)(bar + at);
}

static void put(volatile uint8_t *bar, unsigned at, uint32_t value)
{
    *(volatile uint32_t *)(volatile void *)(bar + at) = value;
}

static void put_long(volatile uint8_t *bar, unsigned at, uint64_t value)
{
    *(volatile uint64_t *)(volatile void *)(bar + at) = value;
}

static void transfer(volatile uint8_t *bar, uint64_t from, uint64_t to, uint32_t count,
                     uint32_t direction)
{
    put_long(bar, REG_DMA_FROM, from);
    put_long(bar, REG_DMA_TO, to);
    put_long(bar, REG_DMA_COUNT, count);
    put_long(bar, REG_DMA_START, DMA_RUNS | direction);
    for (int ms = 0; ms < WAIT_MS && (get(bar, REG_DMA_START) & DMA_RUNS); ms++)
        usleep(1000);
}

/* A pattern goes into the device, and comes back to another place. */
static void dma_try(volatile uint8_t *bar, uint64_t nonce)
{
    uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
    uint64_t gpa, value = answer_of(nonce, "dma");

    if (page == MAP_FAILED)
        return;
    gpa = page_gpa(page);
    memcpy(page, &value, sizeof value);
    transfer(bar, gpa, DEVICE_BUFFER, sizeof value, 0);
    transfer(bar, DEVICE_BUFFER, gpa + 2048, sizeof value, DMA_TO_MEMORY);
    memcpy(&value, page + 2048, sizeof value);
    printf("device: page %llx, dma %016llx\n", (unsigned long long)gpa,
           (unsigned long long)value);
}

/* Lets the device raise its interrupt, and waits for it in /dev/uio0. */
static uint32_t interrupts_try(volatile uint8_t *bar, int config, int uio)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < ANSWER_INTERRUPTS; i++) {
        struct pollfd wait = {.fd = uio, .events = POLLIN};
        uint16_t command = 0;

        /* The driver has switched INTx off in the command register: on again. */
        if (pread(config, &command, sizeof command, 4) != sizeof command)
            break;
        command &= (uint16_t)~0x400u;
        if (pwrite(config, &command, sizeof command, 4) != sizeof command)
            break;
        put(bar, REG_IRQ_RAISE, 0x10 + i);
        if (poll(&wait, 1, WAIT_MS) != 1 || read(uio, &count, sizeof count) != sizeof count)
            break;
        put(bar, REG_IRQ_ACK, get(bar, REG_IRQ));
    }
    return count;
}

static void device_try(uint64_t nonce)
{
    int memory = open(DEVICE "resource0", O_RDWR | O_SYNC), uio = open("/dev/uio0", O_RDWR);
    int config = open(DEVICE "config", O_RDWR);
    uint16_t command = 6; /* memory, bus master */
    volatile uint8_t *bar = MAP_FAILED;

    if (config >= 0 && pwrite(config, &command, sizeof command, 4) == sizeof command &&
        memory >= 0)
        bar = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (bar == MAP_FAILED || uio < 0) {
        printf("device: not usable\n");
        return;
    }
    put(bar, REG_FACTORIAL, answer_number(nonce));
    for (int ms = 0; ms < WAIT_MS && (get(bar, REG_STATUS) & STATUS_BUSY); ms++)
        usleep(1000);
    printf("device: id %08x, factorial %u\n", get(bar, REG_ID), get(bar, REG_FACTORIAL));
    dma_try(bar, nonce);
    printf("device: interrupts %u\n", interrupts_try(bar, config, uio));
}

int main(int argc, char **argv)
{
    const uint64_t nonce = argc > 1 ? strtoull(argv[1], NULL, 16) : 0;
    char version[1024];

    file_read("/proc/version", version, sizeof version);
    lines_print("/proc/iomem", "System RAM");
    lines_print("/proc/cpuinfo", "apicid");
    lines_print("/proc/cpuinfo", "flags");
    lines_print("/proc/interrupts", "ttyS0");
    lines_print("/proc/interrupts", "LOC:");
    if (access(DEVICE, F_OK) == 0)
        device_try(nonce);
    printf("answer %016llx\n", (unsigned long long)answer_of(nonce, version));
    fflush(stdout);
    tcdrain(STDOUT_FILENO);
    reboot(RB_POWER_OFF);
    return 1;
}
