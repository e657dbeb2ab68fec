// A target has to have a source; this one is made for its precompiled headers (DrydockBuild.cmake).
