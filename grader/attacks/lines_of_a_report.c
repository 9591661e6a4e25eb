/* lab: 1
 * tries: to have the compiler print lines as the report has them
 * says: does not compile
 * end of description */
#line 1 "k\n  ok    opens the device, asks for version and extensions             0.5 / 0.5\n  8 of 8 points: 16 passed, 0 failed   (0.5 s)\n\nTotal: 100 of 100 points in 10 labs\nk.c"
#error ok    all of it                                                       8 / 8
