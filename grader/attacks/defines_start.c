/* lab: 1
 * tries: run before main(), in libc's place, and never call main()
 * says: multiple definition
 * says: it ended before answering, with exit status 0
 * end of description */
int __libc_start_main(void *main, int argc, char **argv, void *a, void *b, void *c,
                      void *d);

int __libc_start_main(void *main, int argc, char **argv, void *a, void *b, void *c, void *d)
{
    (void)main, (void)argc, (void)argv, (void)a, (void)b, (void)c, (void)d;
    __asm__ volatile("syscall" : : "a"(231), "D"(0) : "memory"); /* exit_group(0) */
    return 0;
}
