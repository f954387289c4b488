# carillon_room(NAME SOURCES ... DEPS ...): one target a room, named carillon_NAME.
function(carillon_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;DEPS" ${ARGN})
  add_library(carillon_${name} STATIC ${ROOM_SOURCES})
  target_link_libraries(carillon_${name} PUBLIC carillon_flags ${ROOM_DEPS})
endfunction()
