"""The flow `whisperx-batch`: its plan, its stage subflows, the actor pools that they run on, and its report."""
