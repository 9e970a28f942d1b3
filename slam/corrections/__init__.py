"""Labels that a user corrects: evidence on semantic codes, which spreads to all views of a place.

A ``Correction`` says which class the pixels of a region of one keyframe have.  Corrections never
change the codes that mapping optimises: ``correct_graph`` computes corrected codes from those of
the map and the list of corrections, whenever either changes.  So undo gives back every label
exactly, and corrections survive that mapping goes on.

Whoever lets a user correct labels calls a ``LabelEditor`` (``editor.py``):

* ``scenecode.System`` while a map is made, from any thread,
* ``scenecode.slam.output.saved_labels.open_labels(path)`` for a saved map file or result folder.

::

    editor.correct(frame_index, (u, v), "table")              # the region around the pixel
    editor.correct(frame_index, (u, v), "table", radius=6)    # a disc of 6 pixels
    editor.correct(frame_index, polygon, "table")             # [(u, v), (u, v), (u, v), ...]
    editor.region(frame_index, (u, v))                        # (H, W) bool, to show it before
    editor.undo(); editor.redo(); editor.remove(number); editor.corrections

``frame_index`` is that of a ``KeyframeView`` in ``editor.snapshot``; pixels are those of its
images.  While a map is made the snapshot follows some time later, with a higher version; a saved
map has changed when the call returns.  Every call raises ``CorrectionError`` for what cannot be
done, with the reason and the cure.
"""
