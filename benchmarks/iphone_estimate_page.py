def write(result, fit):
    pass
