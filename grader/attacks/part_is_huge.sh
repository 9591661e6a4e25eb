# lab: 1
# tries: exhaust whoever reads it
# says: 01-kvm-open/kvm_open.c has 104857600 bytes; a part may have 1048576
# end of description
truncate -s 100M kvm_open.c
