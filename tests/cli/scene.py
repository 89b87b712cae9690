"""scene.py - the mark of a scene: @scene, or @scene(seconds=20, slow=True) for one that takes long."""


def scene(function=None, *, seconds=1, slow=False):
    def mark(marked):
        marked.is_scene, marked.seconds, marked.slow = True, seconds, slow
        return marked

    return mark(function) if function else mark
