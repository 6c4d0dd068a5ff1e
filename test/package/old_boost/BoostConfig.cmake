# Stands in for a Boost that is too old.
message(FATAL_ERROR "a Boost that is too old was taken")
