ANALYZERS = {"word": None, "char": None, "subword": None}
