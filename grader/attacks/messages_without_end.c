/* lab: 1
 * tries: drown the report in the compiler's messages
 * says: does not compile
 * end of description */
#define M1(x) x x x x x x x x x x
#define M2(x) M1(M1(M1(x)))
M2(M1(int f(void) { return undeclared_with_a_rather_long_name_for_a_variable; }))
