"""scene.py - the mark of a scene: @scene, or @scene(seconds=20, slow=True) for one that takes long; alone=True for one
that measures, and so runs after the others."""


def scene(function=None, *, seconds=1, slow=False, alone=False):
    def mark(marked):
        marked.is_scene, marked.seconds, marked.slow, marked.alone = True, seconds, slow, alone
        return marked

    return mark(function) if function else mark
