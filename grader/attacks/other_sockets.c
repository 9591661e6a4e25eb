/* lab: 1
 * tries: every family of sockets that the kernel has (AF_VSOCK is in no network namespace), and to
 *   send a descriptor, which then belongs to no process
 * says: It printed: 0 families, 0 descriptors, 1 pair
 * end of description */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int descriptor_send(int to)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec byte = {control, 1};
    struct msghdr message = {.msg_iov = &byte,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct {
        struct msghdr message;
        unsigned length;
    } many = {message, 0};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    *header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &to, sizeof to);
    return (sendmsg(to, &message, 0) > 0) + (syscall(SYS_sendmmsg, to, &many, 1, 0) > 0);
}

__attribute__((constructor)) static void ask(void)
{
    int families = 0, pair[2] = {-1, -1};

    for (int family = 0; family < 64; family++)
        for (int type = 1; type <= 10; type++)
            families += family != AF_UNIX && (socket(family, type, 0) >= 0 ||
                                              socketpair(family, type, 0, pair) == 0);
    int pairs = socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0;
    printf("%d families, %d descriptors, %d pair\n", families, descriptor_send(pair[0]),
           pairs);
    fflush(stdout);
    _exit(0);
}
