"""Training with Keras: the only folder that imports it, behind the functions of :mod:`skrnn.train.door`."""
