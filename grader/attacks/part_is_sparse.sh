# lab: 1
# tries: exhaust whoever reads it, or asks later what it was: 12 GB of nothing
# says: 01-kvm-open/kvm_open.c has 12884901888 bytes; a part may have 1048576
# end of description
truncate -s 12G kvm_open.c
