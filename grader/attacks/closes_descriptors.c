/* lab: 1
 * tries: close every descriptor, its channel and the grader's with them
 * says: it ended before answering, with exit status 2
 * end of description */
__attribute__((constructor)) static void shut(void)
{
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
}
