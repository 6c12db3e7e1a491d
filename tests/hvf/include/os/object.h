/* ../../../macos/README.md */
#ifndef MACOS_OS_OBJECT_H
#define MACOS_OS_OBJECT_H
void os_release(void *object);
#endif
