# lab: 1
# tries: nothing; an editor has saved it with two bytes a character
# says: kvm_open.c is UTF-16 text
# end of description
iconv -f UTF-8 -t UTF-16LE kvm_open.c >x
mv x kvm_open.c
