# cmake -DMSGFMT=PROGRAM -DPO=FILE -DOUT=NAME -P catalogue.cmake: writes NAME.c, in which the array NAME holds the compiled catalogue
# and NAME_bytes its length; 0 without a MSGFMT.
set(bytes 0)
set(list 0)
if(MSGFMT)
  execute_process(COMMAND ${MSGFMT} --check --endianness=little --no-hash -o ${OUT}.mo ${PO} COMMAND_ERROR_IS_FATAL ANY)
  file(SIZE ${OUT}.mo bytes)
  file(READ ${OUT}.mo list HEX)
  string(REGEX REPLACE "(..)" "0x\\1," list ${list})
endif()
file(WRITE ${OUT}.c "#include <stddef.h>\nconst unsigned char ${OUT}[] = { ${list} };\nconst size_t ${OUT}_bytes = ${bytes};\n")
