# lab: 1
# tries: smuggle words into the grader's commands by the names of files beside the part
# says: kvm_open() returned -38
# end of description
touch -- '-o' '--version' 'a b.c' 'x;reboot.c' '$(touch owned)' '`id`' '..c' '*' "'" \
    "$(printf 'new\nline.c')" "$(printf '\033[2J')" "$(printf '\377\376')"
mkdir -p '...' 'common/include' 'grader/checks' 'solutions/01-kvm-open'
echo '#error this header is not the contract' >common/include/kvm_open.h
echo '#error this header is not the contract' >kvm_open.h
echo '#error this header is not the contract' >errno.h
echo 'int main(void) { return 0; }' >main.c
