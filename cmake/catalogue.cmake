# cmake -DMSGFMT=PROGRAM -DPO=FILE -DOUT=NAME -P catalogue.cmake: writes NAME.c, in which the array NAME holds the compiled catalogue
# and NAME_bytes its length; 0 without a MSGFMT.
set(bytes 0)
set(list 0)
if(MSGFMT)
  # xgettext writes <PRId64> where the sources have that macro; gettext would put in what it stands for when it reads a catalogue.
  file(READ ${PO} messages)
  string(REPLACE "<PRId64>" "ld" messages "${messages}")
  string(REPLACE "<PRIu64>" "lu" messages "${messages}")
  string(REPLACE "<PRIu32>" "u" messages "${messages}")
  file(WRITE ${OUT}.po "${messages}")
  execute_process(COMMAND ${MSGFMT} --check --endianness=little --no-hash -o ${OUT}.mo ${OUT}.po
    COMMAND_ERROR_IS_FATAL ANY)
  file(SIZE ${OUT}.mo bytes)
  file(READ ${OUT}.mo list HEX)
  string(REGEX REPLACE "(..)" "0x\\1," list ${list})
endif()
file(WRITE ${OUT}.c "#include <stddef.h>\nconst unsigned char ${OUT}[] = { ${list} };\nconst size_t ${OUT}_bytes = ${bytes};\n")
