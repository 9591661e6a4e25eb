/* lab: 1
 * tries: leave memory behind that outlives it: files, shared memory, queues
 * says: kvm_open() returned -38
 * end of description */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/stat.h>

static void fill(const char *folder)
{
    static char piece[1u << 20];
    char path[100];

    for (int n = 0; n < 8; n++) {
        snprintf(path, sizeof path, "%s/left-%d-%d", folder, getpid(), n);
        int fd = open(path, O_WRONLY | O_CREAT, 0666);
        for (int i = 0; fd >= 0 && i < 32; i++)
            if (write(fd, memset(piece, 1, sizeof piece), sizeof piece) < 0)
                break;
        if (fd >= 0)
            close(fd);
    }
}

__attribute__((constructor)) static void leave(void)
{
    fill("/tmp");
    fill("/dev");
    fill("/dev/shm");
    fill("/");
    for (int n = 0; n < 8; n++) {
        int id = shmget(IPC_PRIVATE, 32u << 20, IPC_CREAT | 0666);
        void *at = shmat(id, NULL, 0);

        if (at != (void *)-1)
            memset(at, 1, 32u << 20);
        if (at != (void *)-1)
            shmdt(at);
        msgget(IPC_PRIVATE, IPC_CREAT | 0666);
    }
}
