# lab: 1
# tries: send whoever follows links round and round
# says: 01-kvm-open/kvm_open.c is a symbolic link; hand in the file itself
# end of description
rm kvm_open.c
ln -s other.c kvm_open.c
ln -s kvm_open.c other.c
ln -s .. up
