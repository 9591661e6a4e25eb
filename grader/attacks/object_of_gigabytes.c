/* lab: 1
 * tries: fill the disk with what the compiler makes of three lines
 * says: does not compile
 * end of description */
char bulk[8ul << 30] = {1};
