"""The labs' machinery: what `labs/lab` does. Python 3.11 or newer, standard library only.

    lab_file    labs/ID/lab.toml, and the skeleton that comes out of it and the stage's real source
    compile     the stage's program with the student's file in place of its own
    cell        the closed room a student's program runs in: namespaces, a decoy root, limits
    host        what the host looks like, before and after
    grade       modes, checks, verdicts, points
    report      what is printed, and grade.json
"""
