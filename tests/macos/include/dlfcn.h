/* ../README.md */
#ifndef MACOS_DLFCN_H
#define MACOS_DLFCN_H
#define RTLD_DEFAULT ((void *)-2)
void *dlsym(void *, const char *);
#endif
