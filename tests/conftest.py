"""What pytest is to know before it looks at any folder: our option and our marks."""


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="the whole matrix of cards, modes and harts")


def pytest_configure(config):
    config.addinivalue_line("markers", "matrix(short..., rings=False): with --full runs on the whole matrix, else on the short list")
    config.addinivalue_line("markers", "cards(name...): the cards that this test can be on in the matrix")
