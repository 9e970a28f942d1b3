import threading

from scenecode.slam.runtime.mailbox import Mailbox


def test_only_the_newest_item_is_kept_and_given_once():
    mailbox = Mailbox()
    mailbox.put(1)
    mailbox.put(2)
    assert mailbox.has_item and mailbox.get(0) == 2
    assert not mailbox.has_item and mailbox.get(0) is None


def test_a_closed_mailbox_gives_its_last_item_and_then_nothing():
    mailbox = Mailbox()
    mailbox.put("last")
    mailbox.close()
    assert mailbox.closed and mailbox.get() == "last" and mailbox.get() is None


def test_a_waiting_reader_is_woken_by_an_item_and_by_closing():
    mailbox, received = Mailbox(), []

    def read():
        while (item := mailbox.get()) is not None:
            received.append(item)
            taken.set()

    taken = threading.Event()
    reader = threading.Thread(target=read)
    reader.start()
    mailbox.put("item")
    assert taken.wait(30)
    mailbox.close()
    reader.join(30)
    assert received == ["item"] and not reader.is_alive()
