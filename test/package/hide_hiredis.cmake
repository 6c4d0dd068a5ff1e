# As on a machine without hiredis.
function(find_library)
endfunction()
