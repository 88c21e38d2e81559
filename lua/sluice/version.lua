--- The version of the library, as in the name of a release.

return "0.1"
