/* lab: 1
 * tries: repaint the teacher's terminal through what it prints before it ends
 * says: It printed: ?[2J?[H
 * end of description */
#include <stdio.h>

__attribute__((constructor)) static void paint(void)
{
    fputs("\033[2J\033[H  8 of 8 points: 16 passed, 0 failed\r\n"
          "\033]0;owned\007\302\233\063\061m \377\376 \342\200\256 \033[5m\017",
          stderr);
    _exit(0);
}
