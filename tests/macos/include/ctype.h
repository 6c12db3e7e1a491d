/* ../README.md */
#ifndef MACOS_CTYPE_H
#define MACOS_CTYPE_H
int isalnum(int);
int isalpha(int);
int isdigit(int);
int isprint(int);
int isspace(int);
int isupper(int);
int isxdigit(int);
int tolower(int);
int toupper(int);
#endif
