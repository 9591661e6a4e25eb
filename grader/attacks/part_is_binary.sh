# lab: 1
# tries: hand in a program instead of its text
# says: 01-kvm-open/kvm_open.c is a binary file, not C text
# end of description
head -c 50000 /bin/sh >kvm_open.c
