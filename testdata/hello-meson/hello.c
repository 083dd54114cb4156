#include <stdio.h>

int main(void) {
    puts("hello from Meson");
    return 0;
}
