# script: the two commands of a developer, demo and test; `make check` is the part of the second that a release has
EXTRA_DIST += script/deps script/demo script/fuzz script/test script/lib.sh script/debian-root.sh .ci/run
