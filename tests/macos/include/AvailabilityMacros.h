/* ../README.md */
