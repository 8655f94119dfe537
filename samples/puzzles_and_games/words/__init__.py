# words package
#
