# lab: 1
# tries: have nothing that could fail
# says: it compiles, but does not link: a function of the contract is missing
# end of description
: >kvm_open.c
